"""Logins: limits of failed attempts, and password hashes."""
