"""Django's database backends, with all waits of a request bounded together: see ``kernel.databases.lock_waits``."""
