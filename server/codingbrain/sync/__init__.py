"""What keeps the derived indexes in step with the record."""
