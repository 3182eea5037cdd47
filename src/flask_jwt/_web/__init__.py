"""The part that knows Flask."""
