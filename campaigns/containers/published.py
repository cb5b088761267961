"""The containers of a compose project, and the service at its published port."""

import os
import ssl
import subprocess
import time
from typing import Any
from urllib.parse import urlsplit

from tests.product import ADMIN, PASSWORD, ROOT, Site

SIGN_IN_SECONDS = 60


class Published(Site):
    """The service at ``url``, whose certificate is in the file ``certificate``."""

    def __init__(self, url: str, certificate: str) -> None:
        address = urlsplit(url)
        tls = ssl.create_default_context(cafile=certificate)
        super().__init__(address.port or 443, address.hostname or "", tls=tls)

    def sign_in_to_api(self, username: str = ADMIN, password: str = PASSWORD) -> Any:
        """As a Site, but a busy machine may need several attempts."""
        deadline = time.monotonic() + SIGN_IN_SECONDS
        while True:
            response = self.send("POST", "/auth/login", {"username": username, "password": password})
            if response.status == 200:
                return response.json
            assert response.status == 503 and time.monotonic() < deadline, response.content  # noqa: PT018 - one condition
            time.sleep(1)


def compose(*arguments: str, typed: str = "") -> str:
    """Run the command in ``COMPOSE`` (campaigns/containers/try sets it) and return its output. Raises on failure."""
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
