"""Describe guards in OpenAPI documents."""
