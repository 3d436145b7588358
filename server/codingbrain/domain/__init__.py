"""Frozen values without I/O: what a memory, a query and an answer are."""
