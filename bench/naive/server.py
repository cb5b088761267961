"""The naive view as a contestant: gunicorn with threads, on its own PostgreSQL database."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.contestant import ENCRYPT, TEXT
from bench.requests import Request
from tests.product import PASSWORD, ROOT, drop_database, new_database
from tests.services.processes import Server

WORKERS, THREADS = 2, 8
RENEW_SECONDS = 120  # simplejwt's tokens expire after five minutes


class NaiveServer(Server):
    name = "the naive view"

    def command(self) -> Sequence[str | Path]:
        gunicorn = [sys.executable, "-m", "gunicorn", "bench.naive.wsgi", "--worker-class=gthread"]
        amounts = [f"--workers={WORKERS}", f"--threads={THREADS}", "--keep-alive=75"]
        place = [f"--chdir={ROOT}", f"--bind=127.0.0.1:{self.port}", "--no-control-socket"]
        return ["env", f"NAIVE_HOME={self.folder}", *gunicorn, *amounts, *place]

    def responds(self) -> bool:
        try:
            return Request.of_json(self.port, "/encrypt", {}, {}).status() == 401
        except OSError:
            return False


@contextmanager
def running(folder: Path) -> Iterator["Naive"]:
    folder.mkdir(mode=0o700)
    database = new_database()
    try:
        (folder / "database_url").write_text(database)
        (folder / "secret_key").write_text(secrets.token_urlsafe(50))
        (folder / "kek").write_bytes(secrets.token_bytes(32))
        prepared = subprocess.run(
            [sys.executable, "-m", "bench.naive.prepare"],
            cwd=ROOT,
            env=os.environ | {"NAIVE_HOME": str(folder)},
            input=PASSWORD,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        with NaiveServer(folder) as server:
            yield Naive(server, prepared.stdout.strip())
    finally:
        drop_database(database)


class Naive:
    """A client of the naive server."""

    name = "naive DRF view"

    def __init__(self, server: NaiveServer, key_id: str) -> None:
        self.server = server
        self.key_id = key_id
        self._token = ""
        self._renewed = 0.0
        self.ciphertext = self.request(ENCRYPT).send()["ciphertext"]

    def request(self, operation: str) -> Request:
        if operation == ENCRYPT:
            body = {"key_id": self.key_id, "algorithm": "aes-256-gcm", "data": TEXT}
        else:
            body = {"key_id": self.key_id, "ciphertext": self.ciphertext}
        headers = {"Authorization": f"Bearer {self.token}"}
        return Request.of_json(self.server.port, f"/{operation}", body, headers)

    def plaintext(self, response: dict[str, Any]) -> str:
        return str(response["data"])

    def settle(self) -> None:
        """The server does no work after its response."""

    @property
    def token(self) -> str:
        if not self._token or time.monotonic() - self._renewed > RENEW_SECONDS:
            body = {"username": "bench", "password": PASSWORD}
            self._token = Request.of_json(self.server.port, "/token", body, {}).send()["access"]
            self._renewed = time.monotonic()
        return self._token
