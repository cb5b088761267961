"""The pages *Try it* and *Use* of a key."""
