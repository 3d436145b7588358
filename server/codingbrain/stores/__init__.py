"""Derived indexes: one file per engine."""
