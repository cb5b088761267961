"""Several web nodes behind nginx, each in a network namespace of its own, on one PostgreSQL and one Redis."""
