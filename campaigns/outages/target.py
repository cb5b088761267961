"""A running server with services of its own, which the campaigns break."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType

from tests.product import ADMIN, PASSWORD, Product, Site
from tests.services.postgresql import PostgreSQL
from tests.services.processes import Unavailable
from tests.services.redis import Redis
from tests.services.rights import folder_for_servers
from tests.waiting import wait_until

TIMEOUT = 130  # seconds for one response
WELL = {"healthy", "not_configured"}


@dataclass(frozen=True)
class Seen:
    seconds: float
    status: int
    code: str

    @property
    def outcome(self) -> str:
        return f"{self.status} {self.code}".rstrip()

    def __str__(self) -> str:
        return f"{self.outcome} {self.seconds:.2f} s"


class Clock:
    """The clock of one program, as libfaketime shows it. Its monotonic clock stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move(0)

    def move(self, seconds: int) -> None:
        """Show the time ``seconds`` after the real one; before it, if negative."""
        self._file.write_text(f"{seconds:+d}\n")
        self._file.chmod(0o644)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the program that has this clock."""
        return {
            "LD_PRELOAD": find_libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def patient_token(site: Site) -> str:
    """A token of the administrator, also from a server that has just been broken."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return site.token()
        except (AssertionError, OSError, HTTPException):
            assert time.monotonic() < deadline, "no sign-in succeeds"
            time.sleep(0.2)


def find_libfaketime() -> str:
    """The library. Raises Unavailable."""
    for folder in (Path("/usr/lib"), Path("/usr/local/lib")):
        for path in sorted(folder.glob("**/libfaketimeMT.so.1")):
            return str(path)
    raise Unavailable("no libfaketime found; install the package faketime")


@dataclass
class Target:
    """A running server, and a key and a token of its administrator. ``clock`` is the server's, or its database's."""

    product: Product
    postgresql: PostgreSQL | None = None
    redis: Redis | None = None
    clock: Clock | None = None
    token: str = ""
    key: str = ""

    def prepare(self) -> None:
        self.token = patient_token(self.product)
        body = {"name": "outage", "algorithm": "aes-256"}
        self.key = self.product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        wait_until(lambda: self.encrypt().status == 200)

    def send(self, method: str, path: str, body: object = None) -> Seen:
        began = time.monotonic()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        connection = HTTPConnection("127.0.0.1", self.product.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            kind, content = response.headers.get_content_type(), response.read()
        except (OSError, HTTPException) as error:
            return Seen(time.monotonic() - began, 0, type(error).__name__)
        finally:
            connection.close()
        code = kind
        if kind.endswith("json"):
            found = json.loads(content)
            code = found.get("code") or found.get("status") or ""
            bad = [name for name, word in found.get("services", {}).items() if word not in WELL]
            code += f" ({', '.join(bad)})" if bad else ""
        elif path == "/readyz":
            code = content.decode().strip()
        return Seen(time.monotonic() - began, response.status, str(code))

    def encrypt(self, query: str = "") -> Seen:
        body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": self.key}
        return self.send("POST", f"/api/v1/encrypt{query}", body)

    def sign_in(self) -> Seen:
        return self.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD})

    def change(self) -> Seen:
        return self.send("PATCH", f"/api/v1/keys/{self.key}", {"description": str(time.monotonic_ns())})

    def export(self) -> str:
        """Request an export of the whole log, which needs a recent sign-in, and return its id."""
        token = patient_token(self.product)
        while True:
            response = self.product.send("POST", "/api/v1/audit/exports", {"format": "jsonl"}, token=token)
            if response.status != 503:
                assert response.status == 202, response.content
                return str(response.json["id"])

    def status_of(self, export: str) -> str:
        """The status of the job, read in the database."""
        it = export if self.postgresql else export.replace("-", "")
        [[status]] = self.product.query(f"SELECT status FROM encryption_operations WHERE id = '{it}'")  # noqa: S608 - our own id
        return str(status)


def start(
    stack: contextlib.ExitStack,
    database: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    *,
    disk_size: str = "",
    has_redis: bool = False,
    clock_of: str = "",
) -> Target:
    """Start the services and the server, which ``stack`` stops.

    ``disk_size``: of a disk that the database has for itself. ``clock_of``: "server" or "postgresql", whose clock can
    be moved.
    """
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
    folder.chmod(0o711)
    clock = Clock(folder / "clock") if clock_of else None
    disk = folder / ("disk" if database == "postgresql" else "product/home")
    disk.mkdir(parents=True, mode=0o711)
    if disk_size:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={disk_size},mode=711", "tmpfs", disk], check=True
        )
        stack.callback(subprocess.run, ["umount", "--lazy", disk], check=True)
    postgresql = redis = None
    if database == "postgresql":
        postgresql = PostgreSQL(disk / "postgresql", durable=True, settings=("max_wal_size=64MB",))
        postgresql.environment = clock.environment if clock and clock_of == "postgresql" else {}
        stack.enter_context(postgresql)
    if has_redis:
        redis = stack.enter_context(Redis(folder / "redis"))
        environment = {**environment, "REDIS_URL": redis.url}
    if clock and clock_of == "server":
        environment = {**environment, **clock.environment}
    url = postgresql.url if postgresql else ""
    product = Product(folder / "product", database=url, redis=False, is_new=True, **environment)
    target = Target(stack.enter_context(product), postgresql, redis, clock)
    target.prepare()
    return target
