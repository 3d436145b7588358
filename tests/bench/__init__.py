"""How fast and how small the server is, measured against references taken in the same run."""
