"""The relational truth: tables, repositories, and the transaction rules of each database."""
