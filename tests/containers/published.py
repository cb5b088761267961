"""The containers of a compose project, and the service at its published port."""

import contextlib
import os
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from tests.product import ADMIN, PASSWORD, ROOT, KeepAlive, Reply

TIMEOUT = 60
SIGN_IN_SECONDS = 60


@dataclass(frozen=True)
class Published:
    """The service at ``url``, whose certificate is in the file ``certificate``. The clients of tests.crash use it."""

    url: str
    certificate: str

    @contextlib.contextmanager
    def connect(self) -> Iterator[KeepAlive]:
        address = urlsplit(self.url)
        context = ssl.create_default_context(cafile=self.certificate)
        connection = HTTPSConnection(address.hostname or "", address.port, timeout=TIMEOUT, context=context)
        try:
            yield KeepAlive(connection)
        finally:
            connection.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        with self.connect() as client:
            return client.send(method, path, body, token=token, headers=headers)

    def token(self) -> str:
        """An access token of the administrator. A busy machine may need several attempts."""
        deadline = time.monotonic() + SIGN_IN_SECONDS
        while True:
            answer = self.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD})
            if answer.status == 200:
                return str(answer.json["access_token"])
            assert answer.status == 503 and time.monotonic() < deadline, answer.content  # noqa: PT018 - one condition
            time.sleep(1)


def compose(*arguments: str, typed: str = "") -> str:
    """Run the command in ``COMPOSE`` (deploy/containers/try sets it) and return its output. Raises on failure."""
    done = subprocess.run(
        [*os.environ["COMPOSE"].split(), *arguments],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def engine(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=True).stdout


def container(service: str) -> str:
    """The id of the container of a service."""
    return compose("ps", "--all", "--quiet", service).strip()


def memory() -> dict[str, int]:
    """``{container: bytes}`` of all running containers."""
    lines = engine("stats", "--no-stream", "--format", "{{.Name}} {{.ContainerStats.MemUsage}}").splitlines()
    return {name: int(size) for name, size in map(str.split, lines)}
