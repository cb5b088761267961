"""Django's database backends with one bound for all waits of a request: see ``ciphercanary.lock_waits``."""
