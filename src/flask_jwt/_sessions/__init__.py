"""Sessions: start, rotate, revoke, and what happens while the store is down."""
