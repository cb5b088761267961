"""Kill all processes during a scream test: the key must work again when its time ends."""
