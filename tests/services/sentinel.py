"""A Redis Sentinel for tests, which watches a master."""

from collections.abc import Sequence
from pathlib import Path

import redis

from tests.services.processes import Server
from tests.services.redis import Redis, find_program

MASTER = "keys"


class Replica(Redis):
    """A Redis that follows ``master``."""

    def __init__(self, folder: Path, master: Redis) -> None:
        super().__init__(folder)
        self._master = master

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--replicaof", "127.0.0.1", str(self._master.port)]


class Sentinel(Server):
    """Promotes a replica half a second after the master has gone. One of them decides alone."""

    name = "Sentinel"

    def __init__(self, folder: Path, master: Redis) -> None:
        folder.mkdir(mode=0o700)
        super().__init__(folder)
        self._master = master

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/{MASTER}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def command(self) -> Sequence[str | Path]:
        configuration = self.folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self._master.port} 1\n"
            f"sentinel down-after-milliseconds {MASTER} 500\n"
            f"sentinel failover-timeout {MASTER} 2000\n"
        )
        return [find_program(), configuration, "--sentinel"]

    def responds(self) -> bool:
        """Return whether it is ready, and knows the replica."""
        try:
            with self.client() as client:
                return bool(client.execute_command("SENTINEL", "REPLICAS", MASTER))
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError):
            return False
