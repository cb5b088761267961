"""The pages of operations with a key."""
