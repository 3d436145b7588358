"""How a tool is declared, the one guard that every call passes, and the catalogue."""
