"""How good the answers of a search are, measured on texts and questions written by others."""
