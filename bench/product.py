"""CipherCanary in a production set-up: ``bin/serve`` with its defaults, PostgreSQL, Redis, the sequencer."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django_otp.oath import totp

from bench.contestant import ENCRYPT, SIGN, TEXT, VAULT
from bench.mix import KEYS, TOKENS, Mix
from bench.requests import Request
from tests.product import PASSWORD, Product

ALGORITHM = "aes-256-gcm"
STEP_SECONDS = 30  # of a TOTP code (RFC 6238)
RENEW_SECONDS = 600  # a third of an access token's lifetime
SETTLE_SECONDS = 120
_SIGNED = {"key_id": "name:bench-signing", "signing_algorithm": "ed25519", "message": TEXT}


@contextmanager
def running(name: str, folder: Path, fast_path: str) -> Iterator["CipherCanary"]:
    """Serve a product with its own database. ``fast_path`` is its ``CC_LANE``."""
    environment = {
        "CC_LANE": fast_path,
        "CC_THROTTLE_PRINCIPAL": "1000000000/minute",
    }
    with Product(folder, **environment) as product:
        yield CipherCanary(name, product)


class CipherCanary:
    """A client of the product: a developer with a second factor, and a key that they created."""

    def __init__(self, name: str, product: Product) -> None:
        self.name = name
        self.product = product
        self.longest_lag = 0.0  # seconds from the end of a run until every entry was in the tree
        product.create_user("bench", "developer")
        self._session = sign_in_with_second_factor(product, "bench")
        self._renewed = time.monotonic()
        key = self._post("/api/v1/keys", {"name": "bench", "algorithm": "aes-256"}).send()
        self.key_id = str(key["id"])
        self.ciphertext = self.request(ENCRYPT).send()["ciphertext"]

    def request(self, operation: str) -> Request:
        body: dict[str, object]
        match operation:
            case "mix":
                return self._mix
            case "vault encrypt":
                return self._vault("encrypt/bench", {"plaintext": TEXT})
            case "encrypt":
                path, body = "encrypt", {**self._key, "data": TEXT}
            case "decrypt":
                path, body = "decrypt", {"ciphertext": self.ciphertext}
            case "sign":
                path, body = "sign", {**_SIGNED}
            case "verify":
                path, body = "verify", {**_SIGNED, "signature": self._signature}
            case "mac":
                path, body = "mac", {"key_id": "name:bench-mac", "message": TEXT}
            case _:
                path, body = "data-keys", {"key_id": self.key_id, "bits": 256}
        return self._post(f"/api/v1/{path}", body)

    def add_keys(self) -> None:
        """Create the keys of ``OTHER_OPERATIONS``."""
        for name, algorithm in (("bench-signing", "ed25519"), ("bench-mac", "hmac-sha256")):
            self._post("/api/v1/keys", {"name": name, "algorithm": algorithm}).send()
        self._vault("keys/bench", {}).send()
        self.request(VAULT).send()
        self._signature = self.request(SIGN).send()["signature"]

    def add_mix(self) -> None:
        """Create the keys of the mix, and a service account with a token for each of its callers."""
        admin = self.product.token()
        new = {"algorithm": "aes-256", "tags": ["mix"]}
        keys = [self._post("/api/v1/keys", {"name": f"mix-{n}", **new}).send()["id"] for n in range(KEYS)]
        everyone = {"principal_type": "role", "principal_id": "developer"}
        self._post("/api/v1/grants", {**everyone, "operations": ["encrypt"], "tag": "mix"}, admin).send()
        tokens = [self.service_account(f"mix-{n}", admin)[1] for n in range(TOKENS)]

        def request(key: int, token: int) -> Request:
            body = {"key_id": keys[key], "algorithm": ALGORITHM, "data": TEXT}
            return self._post("/api/v1/encrypt", body, tokens[token])

        self._mix = Mix.of(request)

    def service_account(self, name: str, admin: str) -> tuple[str, str]:
        """The id of a new service account, and its token, which may encrypt for a day."""
        account = self._post("/api/v1/service-accounts", {"name": name, "role": "developer"}, admin).send()[
            "id"
        ]
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        rights = {"scopes": ["encrypt"], "expires_at": tomorrow, "service_account_id": account}
        return account, self._post("/api/v1/tokens", {"name": name, **rights}, admin).send()["token"]

    def batch(self, items: int) -> Request:
        return self._post("/api/v1/encrypt/batch", {**self._key, "items": [{"data": TEXT}] * items})

    def plaintext(self, response: dict[str, Any]) -> str:
        return str(response["data"])

    def settle(self) -> None:
        """Wait for the sequencer, so that its remaining work does not slow down the next contestant."""
        began = time.monotonic()
        while self._is_pending() and time.monotonic() - began < SETTLE_SECONDS:
            time.sleep(0.1)
        self.longest_lag = max(self.longest_lag, time.monotonic() - began)

    def workers(self) -> set[int]:
        return self.product.processes_of("gunicorn: worker")

    @property
    def token(self) -> str:
        """An access token that is valid for at least 20 minutes."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            body = {"refresh_token": self._session["refresh_token"]}
            self._session = Request.of_json(self.product.port, "/auth/refresh", body, {}).send()
            self._renewed = time.monotonic()
        return str(self._session["access_token"])

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def _key(self) -> dict[str, str]:
        return {"key_id": self.key_id, "algorithm": ALGORITHM}

    def _post(self, path: str, body: object, token: str = "") -> Request:
        headers = {"Authorization": f"Bearer {token}"} if token else self.authorization
        return Request.of_json(self.product.port, path, body, headers)

    def _vault(self, path: str, body: object) -> Request:
        headers = {"X-Vault-Token": self.token}
        return Request.of_json(self.product.port, f"/v1/transit/{path}", body, headers)

    def recorded_encryptions(self) -> int:
        """The number of entries of single encryptions."""
        rows = "FROM audit_logs WHERE action = 'crypto.message.encrypted'"
        return int(self.product.query(f"SELECT coalesce(sum(coalesce(entries, 1)), 0) {rows}")[0][0])

    def _is_pending(self) -> bool:
        return bool(self.product.query("SELECT 1 FROM audit_bundles LIMIT 1"))


def sign_in_with_second_factor(product: Product, username: str) -> Any:
    """Enrol an authenticator, confirm it, and sign in with it. Returns the response of the sign-in."""
    token = product.token(username)
    seed = product.send("POST", "/auth/totp/enrol", {}, token=token).json["secret"]
    if (left := STEP_SECONDS - time.time() % STEP_SECONDS) < 10:
        time.sleep(left)
    # Each code works once. Confirm with the previous code, which is still accepted, and keep the current one for
    # sign-in.
    response = product.send("POST", "/auth/totp/confirm", {"code": code(seed, steps=-1)}, token=token)
    assert response.status == 200, response.content  # noqa: S101 - like the product class of the tests
    body = {"username": username, "password": PASSWORD, "totp_code": code(seed)}
    return Request.of_json(product.port, "/auth/login", body, {}).send()


def code(seed: str, steps: int = 0) -> str:
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    return f"{totp(key, drift=steps):06d}"
