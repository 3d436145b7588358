"""Models that run beside the server or behind a URL."""
