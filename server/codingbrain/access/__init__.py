"""Credentials: issuing, checking and revoking them."""
