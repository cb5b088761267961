"""Keys and their versions: algorithms, states, permissions and wrapped material."""
