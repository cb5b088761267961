"""Keys and their versions: what they are, what state they are in, who may use them, and their material."""
