"""Protocols for everything that has more than one engine."""
