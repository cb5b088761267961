"""PostgreSQL, Redis, nginx, and nodes that share a key-encryption key, a ``SECRET_KEY`` and the folder of exports."""

import base64
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from campaigns.nodes.network import BACK, Network
from tests.product import ROOT, Failed, Product, Site
from tests.services.nginx import Nginx
from tests.services.postgresql import DATABASE, PostgreSQL
from tests.services.redis import Redis

START_SECONDS = 240  # of all nodes together, on a busy machine
PORT = 8000  # of each node, in its own namespace
# The roles of a node as one process group, which ends when all of them have ended.
RUN = f"""
cd {shlex.quote(str(ROOT))} && "$0" -m ciphercanary.server prepare || exit 1
trap : TERM
for role; do "$0" -m ciphercanary.server "$role" & done
wait
wait
"""
ROLES = [("web", "sequencer", "worker"), ("web", "sequencer"), ("web",)]


class NodesPostgreSQL(PostgreSQL):
    """Durable, also for the nodes."""

    def initialise(self) -> None:
        super().initialise()
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {BACK}.0/24 trust\n")

    @property
    def url_for_nodes(self) -> str:
        return f"postgresql://postgres@{BACK}.1:{self.port}/{DATABASE}"


class NodesRedis(Redis):
    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--bind", "127.0.0.1", f"{BACK}.1", "--protected-mode", "no"]

    @property
    def url_for_nodes(self) -> str:
        return f"redis://{BACK}.1:{self.port}/0"


class Node(Product):
    """A machine with some roles. It is reached directly, as if through the proxy."""

    start_seconds = START_SECONDS
    greets = False

    def __init__(self, folder: Path, network: Network, number: int, **environment: str) -> None:
        url = environment["DATABASE_URL"]
        super().__init__(folder, database=url, redis=False, **environment)
        self.host, self.port = network.front_of(number), PORT
        self.environment |= {"CC_BIND": self.host, "PORT": str(PORT)}
        self.headers = {"Host": "127.0.0.1", "X-Forwarded-Proto": "https"}
        self._inside, self._roles = network.inside(number), ROLES[number % len(ROLES)]

    @property
    def command(self) -> list[str]:
        return [*self._inside, "sh", "-c", RUN, sys.executable, *self._roles]


class Cluster:
    """Started on an empty database, with all nodes at once. ``stack`` stops it. ``seconds`` is how long that took."""

    def __init__(self, stack: ExitStack, folder: Path, network: Network) -> None:
        self.network = network
        listen = f"listen_addresses=127.0.0.1,{BACK}.1"
        self.postgresql = stack.enter_context(
            NodesPostgreSQL(folder / "postgresql", durable=True, settings=[listen, "max_wal_size=256MB"])
        )
        self.redis = stack.enter_context(NodesRedis(folder / "redis"))
        numbers = range(len(network.names))
        upstreams = [f"{network.front_of(number)}:{PORT}" for number in numbers]
        self.nginx = stack.enter_context(Nginx(folder / "nginx", upstreams))
        self.site = Site(self.nginx.port, tls=self.nginx.tls)
        shared = {
            "CC_PUBLIC_URL": f"https://127.0.0.1:{self.nginx.port}",
            "CC_TRUSTED_PROXIES": "1",
            "DATABASE_URL": self.postgresql.url_for_nodes,
            "REDIS_URL": self.redis.url_for_nodes,
            "CC_REDIS_PREFIX": "nodes",
            "CC_KEK": f"nodes:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "SECRET_KEY": secrets.token_urlsafe(64),
        }
        self.nodes = [
            Node(folder / name, network, number, **shared) for number, name in enumerate(network.names)
        ]
        (folder / "exports").mkdir(mode=0o700)
        for node in self.nodes:
            node.home.mkdir(mode=0o700)
            (node.home / "exports").symlink_to(folder / "exports")
            stack.callback(node.kill)
        self.seconds = self.start()

    def start(self) -> float:
        """Start every node at once; return the seconds until all of them responded. Raises Failed."""
        began = time.monotonic()
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            while not node.responds():
                assert node.process
                if node.process.poll() is not None or time.monotonic() - began > START_SECONDS:
                    raise Failed(f"{node.host}: {node.stdout}\n{node.stderr}")
                time.sleep(0.05)
        return time.monotonic() - began

    def stop(self) -> None:
        for node in self.nodes:
            node.stop(whole_group=True)

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if other is not node]

    def without_back(self, node: Node) -> AbstractContextManager[None]:
        return self.network.without_back(self.nodes.index(node))
