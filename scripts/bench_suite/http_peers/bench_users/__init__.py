"""The Django application whose model is the table of users."""
