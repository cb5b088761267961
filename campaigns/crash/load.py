"""Clients that create, rotate and encrypt until the server is gone, and record what it acknowledged."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import CREATED, INTERNAL_SERVER_ERROR, HTTPException
from typing import Self

from tests.product import KeepAlive, Site, b64

CLIENTS = 8
GONE = (OSError, HTTPException)


@dataclass
class Acknowledged:
    """Acknowledged results: (key, version) pairs, request ids, ciphertexts with their plaintexts, exports.

    ``unconfirmed`` has the path and the body of each change whose outcome is unknown, by its request id, which is also
    its idempotency key.
    """

    versions: list[tuple[str, int]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ciphertexts: list[tuple[str, str]] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    unconfirmed: dict[str, tuple[str, object]] = field(default_factory=dict)
    changes: int = 0
    refusals: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {"versions": self.versions, "requests": self.requests}


class Load:
    """``clients`` threads at work, from entering the block until it is left."""

    def __init__(
        self, product: Site, token: str, *, outlasts: bool = False, seed: int = 0, clients: int = CLIENTS
    ) -> None:
        """``outlasts``: clients reconnect when the server goes away, instead of ending."""
        self.product = product
        self.token = token
        self.outlasts = outlasts
        self.seed = seed
        self.acknowledged = Acknowledged()
        self._ends = threading.Event()
        self._count = clients
        self._pool = ThreadPoolExecutor(clients)
        self._lock = threading.Lock()
        self._acts = [self._create, *[self._rotate] * 3, *[self._encrypt] * 3]
        self._exports_due = 0.0

    def __enter__(self) -> Self:
        self._clients = [self._pool.submit(self._work, number) for number in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def wait_for(self, changes: int, seconds: float = 60) -> None:
        """Return once ``changes`` creations and rotations were acknowledged."""
        deadline = time.monotonic() + seconds
        while self.acknowledged.changes < changes:
            assert time.monotonic() < deadline, self.acknowledged.refusals[-10:]
            time.sleep(0.005)

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self.seed}-{number}")  # noqa: S311 - the choice of the next act is no secret
        while not self._ends.is_set():
            try:
                with self.product.connect() as client:
                    while not self._ends.is_set():
                        chance.choice(self._acts)(client, chance)
                        if number == 0:
                            self._export(client)
            except GONE:
                if not self.outlasts:
                    return
                time.sleep(0.05)

    def _create(self, client: KeepAlive, _chance: random.Random) -> None:
        body = {"name": f"crash-{uuid.uuid4().hex}", "algorithm": "aes-256"}
        self._send(client, "/api/v1/keys", body, 201, lambda response: self._changed(response["id"], 1))

    def _rotate(self, client: KeepAlive, chance: random.Random) -> None:
        if not self.acknowledged.versions:
            return
        key_id, _ = chance.choice(self.acknowledged.versions)
        self._send(
            client,
            f"/api/v1/keys/{key_id}/rotate",
            {"reason": "crash"},
            201,
            lambda response: self._changed(key_id, response["new_version"]),
        )

    def _encrypt(self, client: KeepAlive, chance: random.Random) -> None:
        if not self.acknowledged.versions:
            return
        key_id, _ = chance.choice(self.acknowledged.versions)
        plaintext = b64(uuid.uuid4().bytes)
        body = {"algorithm": "aes-256-gcm", "data": plaintext, "key_id": key_id}
        self._send(
            client,
            "/api/v1/encrypt",
            body,
            200,
            lambda response: self.acknowledged.ciphertexts.append((response["ciphertext"], plaintext)),
        )

    def _export(self, client: KeepAlive) -> None:
        """Keep the worker busy: request an export of the log about every second."""
        if (now := time.monotonic()) < self._exports_due:
            return
        self._exports_due = now + 1
        self._send(client, "/api/v1/audit/exports", {"format": "jsonl"}, 202, self._exported)

    def _exported(self, response: dict) -> None:
        self.acknowledged.exports.append(response["id"])
        self.acknowledged.requests.pop()  # its id is recorded again when the export has finished

    def _changed(self, key_id: str, version: int) -> None:
        self.acknowledged.versions.append((key_id, version))
        self.acknowledged.changes += 1

    def _send(
        self, client: KeepAlive, path: str, body: object, status: int, note: Callable[[dict], None]
    ) -> None:
        request_id = uuid.uuid4().hex
        headers = {"X-Request-ID": request_id}
        if status == CREATED:
            headers["Idempotency-Key"] = request_id
            self.acknowledged.unconfirmed[request_id] = (path, body)
        response = client.send("POST", path, body, token=self.token, headers=headers)
        with self._lock:
            if response.status < INTERNAL_SERVER_ERROR:
                self.acknowledged.unconfirmed.pop(request_id, None)
            if response.status == status:
                self.acknowledged.requests.append(request_id)
                note(response.json)
            elif response.code != "too_many_exports":
                self.acknowledged.refusals.append(response.status)
        if response.status != status:
            time.sleep(0.05)
