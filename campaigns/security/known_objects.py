"""Objects for the parameters of generated requests, so that these get beyond 404."""

import re
from typing import Any
from uuid import uuid4

from demo.data import ADMIN, AUDITOR, PROGRAMS
from tests.product import Product, b64

OWNER = PROGRAMS[0]
# The algorithm of the key that the requests of an operation name, if it is another one.
KEYS_OF = {
    "/api/v1/keys/{key_id}/csr": "ec-p256",
    "/api/v1/keys/{key_id}/jwks": "ec-p256",
    "/api/v1/keys/{key_id}/public-key": "ec-p256",
    "/api/v1/sign": "ec-p256",
    "/api/v1/verify": "ec-p256",
    "/api/v1/mac": "hmac-sha256",
    "/api/v1/mac/verify": "hmac-sha256",
    "/api/v1/encapsulate": "ml-kem-768",
    "/api/v1/decapsulate": "ml-kem-768",
    "/api/v1/shared-secret": "x25519",
    "/api/v1/jwt/sign": "ec-p256",
    "/api/v1/sign/batch": "ec-p256",
    "/api/v1/verify/batch": "ec-p256",
    "/api/v1/mac/batch": "hmac-sha256",
    "/api/v1/mac/verify/batch": "hmac-sha256",
}
# The user who creates the object of a path, and the route to create it.
CREATORS = {
    "account_id": (ADMIN, "service-accounts"),
    "export_id": (AUDITOR, "audit-exports"),
    "filter_id": (OWNER, "saved-filters"),
    "grant_id": (ADMIN, "key-grants"),
    "policy_id": (ADMIN, "policies"),
    "token_id": (OWNER, "tokens"),
    "user_id": (ADMIN, "api-users"),
    "webhook_id": (ADMIN, "webhooks"),
}


class KnownObjects:
    """Objects in the product. ``tokens``: the access token of each user."""

    def __init__(self, product: Product, tokens: dict[str, str]) -> None:
        self.product, self.tokens = product, tokens
        self.file_id = ""

    def of(self, path: str) -> dict[str, Any]:
        """Values of the parameters and members of an operation that name objects."""
        keys = {
            algorithm: self.create_key(algorithm) for algorithm in {"aes-256", KEYS_OF.get(path, "aes-256")}
        }
        key_id = keys["aes-256"]
        body = {"algorithm": "aes-256-gcm", "key_id": key_id, "data": b64(b"canary")}
        sealed = self.send(OWNER, "/api/v1/encrypt", body)
        job = self.send(OWNER, "/api/v1/reencryptions", {"key_id": key_id})
        if not self.file_id:  # once: their number is limited
            upload = f"/api/v1/files?operation=encrypt&key_id={key_id}"
            self.file_id = self.send(OWNER, upload, b"canary", {"Content-Type": "application/octet-stream"})[
                "id"
            ]
        named = re.findall(r"{(\w+)}", path)
        return {
            "key_id": keys[KEYS_OF.get(path, "aes-256")],
            "file_id": self.file_id,
            "reencryption_id": job["id"],
            "operation_id": job["id"],
            "version": 1,
            "ciphertext": sealed["ciphertext"],
            "log_id": 1,
            "subject": "CN=www.example.org",
            **{name: self.create(name, key_id) for name in named if name in CREATORS},
        }

    def create_key(self, algorithm: str) -> str:
        body = {"name": f"fuzz-{uuid4().hex}", "algorithm": algorithm}
        return str(self.send(OWNER, "/api/v1/keys", body)["id"])

    def create(self, name: str, key_id: str) -> str:
        from tests.endpoints import ENDPOINTS, all_routes  # noqa: PLC0415 - models need a set-up Django

        user, route_name = CREATORS[name]
        route = next(each for each in all_routes() if each.name == route_name)
        body = ENDPOINTS[route_name]["POST"].body(None, None)
        return str(self.send(user, route.path.format(key_id=key_id), body)["id"])

    def send(self, user: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        response = self.product.send("POST", path, body, token=self.tokens[user], headers=headers or {})
        assert response.status < 400, (path, response.status, response.json)
        return response.json
