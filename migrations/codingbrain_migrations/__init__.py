"""Alembic revisions for every table of the record."""
