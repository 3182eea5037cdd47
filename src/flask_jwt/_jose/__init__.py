"""Tokens and keys (RFC 7515, 7517, 7519). Nothing here knows the configuration."""
