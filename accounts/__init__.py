"""Who may ask: users, roles, passwords, tokens and what a caller may do."""
