"""Django's database backends, with all waits of a request bounded together: see ``ciphercanary.lock_waits``."""
