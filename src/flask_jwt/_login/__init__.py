"""Limits of failed logins; password hashes."""
