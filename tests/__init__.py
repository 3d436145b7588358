"""How codingbrain is proven."""
