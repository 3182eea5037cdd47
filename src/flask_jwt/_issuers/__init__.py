"""Verify tokens of other issuers: their keys, their rules, and what happens while they are down."""
