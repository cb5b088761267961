"""Keys that clients of Vault and OpenBao use by a name in a mount."""
