"""Clients with a mix of requests at a bounded rate, and every response that they got."""

import random
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from campaigns.crash.load import GONE, Load
from campaigns.outages.target import patient_token
from tests.product import KeepAlive, Reply, Site

PAUSE = 0.5  # seconds of a client between two requests
PAUSE_AFTER_FAILURE = 0.2  # seconds
NO_RESPONSE = 0  # as a status


@dataclass(frozen=True)
class Response:
    """``client`` identifies the client. ``is_durable``: a success promises that something is stored. ``code``: of a problem."""

    client: int
    began: float
    ended: float
    status: int
    is_durable: bool
    code: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class MeasuredLoad(Load):
    """Encrypts, decrypts, lists keys, opens a page of a browser session, and creates and rotates keys."""

    def __init__(self, site: Site, *, clients: int, seed: int = 0) -> None:
        super().__init__(site, patient_token(site), outlasts=True, seed=seed, clients=clients)
        self.responses: list[Response] = []
        self.wrong: list[str] = []
        self._cookie = site.sign_in()
        self._renewal = threading.Lock()
        self._succeeded: dict[int, float] = {}
        changes, reads = [self._create, self._rotate, self._rotate], [self._list, self._open_page]
        self._acts = [*changes, *[self._encrypt] * 5, *[self._decrypt] * 4, *reads]

    def wait_for_everyone(self, since: float, seconds: float = 240) -> float:
        """Return the seconds from ``since`` (monotonic) until every client has had a durable success after it."""
        while len(self._succeeded) < self._count or min(self._succeeded.values()) <= since:
            assert time.monotonic() - since < seconds, self.statuses()
            time.sleep(0.02)
        return time.monotonic() - since

    # --- figures

    def statuses(self) -> Counter[int]:
        return Counter(response.status for response in list(self.responses))

    def refusals(self) -> str:
        """How often each status and code was returned, without the successes."""
        counted = Counter(
            f"{seen.status} {seen.code}".strip() for seen in self.responses if not seen.is_success
        )
        return ", ".join(f"{count} times {response}" for response, count in counted.most_common()) or "none"

    def longest_gap(self) -> float:
        """The longest time in seconds that one client waited from a durable success until its next."""
        last: dict[int, float] = {}
        longest = 0.0
        for response in list(self.responses):
            if response.is_success and response.is_durable:
                longest = max(longest, response.ended - last.get(response.client, response.ended))
                last[response.client] = response.ended
        return longest

    def percentiles(self) -> tuple[float, float]:
        """The median and the 99th percentile of the successes, in milliseconds."""
        taken = [
            1000 * (response.ended - response.began) for response in self.responses if response.is_success
        ]
        return statistics.median(taken), statistics.quantiles(taken, n=100)[98]

    # --- requests

    def _export(self, client: KeepAlive) -> None:
        """Exports are requested by the faults that need them."""

    def _decrypt(self, client: KeepAlive, chance: random.Random) -> None:
        if not self.acknowledged.ciphertexts:
            return
        ciphertext, plaintext = chance.choice(self.acknowledged.ciphertexts)

        def compare(response: dict[str, Any]) -> None:
            if response["data"] != plaintext:
                self.wrong.append(f"{ciphertext}: another plaintext")

        self._send(client, "/api/v1/decrypt", {"ciphertext": ciphertext}, 200, compare)

    def _list(self, client: KeepAlive, _chance: random.Random) -> None:
        self._ask(client, "GET", "/api/v1/keys?limit=20")

    def _open_page(self, client: KeepAlive, _chance: random.Random) -> None:
        if self._ask(client, "GET", "/keys/", cookie=self._cookie).status == 302:
            self._sign_in_again(self._cookie)

    def _send(
        self,
        client: KeepAlive,
        path: str,
        body: object,
        status: int,
        note: Callable[[dict[str, Any]], object],
    ) -> None:
        request_id = uuid.uuid4().hex
        response = self._ask(client, "POST", path, body, request_id=request_id)
        if response.status == status:
            with self._lock:
                self.acknowledged.requests.append(request_id)
                note(response.json)

    def _ask(
        self,
        client: KeepAlive,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        cookie: dict[str, str] | None = None,
    ) -> Reply:
        token, began, status, code = self.token, time.monotonic(), NO_RESPONSE, ""
        headers = {"X-Request-ID": request_id} if request_id else {}
        try:
            response = client.send(
                method, path, body, token="" if cookie else token, headers=headers | (cookie or {})
            )
            status, code = response.status, code_of(response)
        finally:
            self._note(began, status, code, is_durable=bool(request_id))
        if status == 401:
            self._sign_in_to_api_again(token)
        return response

    def _note(self, began: float, status: int, code: str, *, is_durable: bool) -> None:
        seen = Response(threading.get_ident(), began, time.monotonic(), status, is_durable, code)
        self.responses.append(seen)
        if seen.is_success and is_durable:
            self._succeeded[seen.client] = seen.ended
        time.sleep(PAUSE if seen.is_success else PAUSE_AFTER_FAILURE)

    def _sign_in_to_api_again(self, token: str) -> None:
        with self._renewal, suppress(AssertionError, *GONE):
            if self.token == token:
                self.token = self.product.token()

    def _sign_in_again(self, cookie: dict[str, str]) -> None:
        with self._renewal, suppress(AssertionError, *GONE):
            if self._cookie == cookie:
                self._cookie = self.product.sign_in()


def code_of(response: Reply) -> str:
    """The code of a problem document; "" for any other response."""
    return response.code if response.headers.get_content_type() == "application/problem+json" else ""
