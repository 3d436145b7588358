"""The core of codingbrain: a shared, searchable, tenant-safe memory for AI coding assistants."""
