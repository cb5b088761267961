"""The root of trust: the ring of key-encryption keys, the installation's own keys, and MACs of rows."""
