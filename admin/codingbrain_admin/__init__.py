"""The operator's Starlette app."""
