"""Users, roles, passwords and tokens, and the permissions of a caller."""
