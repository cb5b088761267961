"""Fail over to a standby of PostgreSQL while the product works."""
