"""Data keys, derived keys and shared secrets."""
