"""Django's database backends with one bound for all waits of a request: see ``kernel.databases.lock_waits``."""
