"""Define the endpoints."""
