"""The memory service: what assistants store, change and forget."""
