"""One server with both of its paths, the fast path and Django, and the comparison of their responses.

A request whose media type names its charset is equally valid, but the fast path leaves it to Django. So the
same request can be sent through either path.
"""

from tests.endpoints import X25519_PUBLIC_KEY
from tests.product import Product, b64

SLOW = {"Content-Type": "application/json; charset=utf-8"}
PLAINTEXT = b64(b"the canary sings at four\x00\xff")
OURS = {"x-request-id", "date", "ratelimit", "content-length", "server"}
# Differs for each message.
FRESH = {"iv", "tag", "encrypted_data", "ciphertext", "shared_secret", "plaintext", "public_key"}

WAYS = {
    "from the parser": {"CC_LANE": "protocol"},
    "from the parser in Python": {"CC_LANE": "protocol", "GUNICORN_CMD_ARGS": "--http-parser=python"},
    "over ASGI": {"CC_LANE": "asgi"},
}


class TwoPaths:
    """The requests share a connection, so that the heads of some repeat those of earlier ones."""

    def __init__(self, product: Product, connection) -> None:
        self.product = product
        self._connection = connection
        product.create_user("fast-path", "developer")
        self.token = product.token("fast-path")
        product.create_user("fast-path-auditor", "auditor")
        self.token_without_rights = product.token("fast-path-auditor")
        self.key_id = self._create("fast-path", "aes-256")
        self.signing_id = self._create("fast-path-signing", "ec-p256")
        self.signature = self.fast("sign", self.good("sign")).json["signature"]
        self.mac_id = self._create("fast-path-mac", "hmac-sha256")
        self.mac = self.fast("mac", self.good("mac")).json["mac"]
        self.hybrid_id = self._create("fast-path-hybrid", "x25519-ml-kem-768")
        sealed = self.good("encrypt", key_id=self.hybrid_id, algorithm="hpke-x25519-ml-kem-768")
        self.sealed_for_hybrid = self.fast("encrypt", sealed).json["encrypted_data"]
        self.agreement_id = self._create("fast-path-agreement", "x25519")
        self.kem_id = self._create("fast-path-kem", "ml-kem-768")
        self.encapsulated = self.fast("encapsulate", self.good("encapsulate")).json["ciphertext"]
        self.encrypted = self.fast("encrypt", self.good("encrypt")).json
        self.encrypted = self.fast("encrypt", self.good("encrypt")).json  # everything is cached now

    def _create(self, name, algorithm):
        body = {"name": name, "algorithm": algorithm}
        return self.product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]

    def good(self, operation, **fields):
        bodies = {
            "encrypt": lambda: {"algorithm": "aes-256-gcm", "data": PLAINTEXT, "key_id": self.key_id},
            "decrypt": lambda: {"ciphertext": self.encrypted["ciphertext"]},
            "sign": self._signed,
            "verify": lambda: {**self._signed(), "signature": self.signature},
            "mac": self._authenticated,
            "mac/verify": lambda: {**self._authenticated(), "mac": self.mac},
            "data-keys": lambda: {"key_id": self.key_id},
            "derive": lambda: {"key_id": self.key_id, "context": b64(b"tenant 7"), "bits": 256},
            "jwt/sign": lambda: {
                "key_id": self.signing_id,
                "claims": {"sub": "canary", "exp": 1893456000},
            },
            "encapsulate": lambda: {"key_id": self.kem_id},
            "decapsulate": lambda: {
                "key_id": self.kem_id,
                "key_version": 1,
                "ciphertext": self.encapsulated,
            },
            "shared-secret": lambda: {
                "key_id": self.agreement_id,
                "public_key": b64(X25519_PUBLIC_KEY),
            },
        }
        return {**bodies[operation](), **fields}

    def _signed(self):
        return {"key_id": self.signing_id, "signing_algorithm": "ecdsa-sha256", "message": PLAINTEXT}

    def _authenticated(self):
        return {"key_id": self.mac_id, "message": PLAINTEXT}

    def split(self, **fields):
        names = ("encrypted_data", "iv", "tag", "key_id", "algorithm", "key_version")
        return {name: self.encrypted[name] for name in names} | fields

    def parts(self):
        return {name: self.encrypted[name] for name in ("encrypted_data", "iv", "tag")}

    def batch(self, *items, **fields):
        return {"algorithm": "aes-256-gcm", "key_id": self.key_id, "items": list(items), **fields}

    def proofs(self, operation, *items, **fields):
        """A batch to sign or to authenticate, or to verify."""
        if operation.startswith("mac"):
            return {"key_id": self.mac_id, "items": list(items), **fields}
        signed = {"key_id": self.signing_id, "signing_algorithm": "ecdsa-sha256"}
        return {**signed, "items": list(items), **fields}

    def sealed_items(self):
        forms = ({"ciphertext": self.encrypted["ciphertext"], "reference": "a"}, self.parts())
        return [*forms, {**self.parts(), "key_version": 1, "reference": "b"}]

    def fast(self, operation, body, token=None, headers=None):
        return self._connection.send(
            "POST",
            f"/api/v1/{operation}",
            body,
            token=self.token if token is None else token,
            headers=headers,
        )

    def both(self, operation, body, **how):
        headers = how.pop("headers", {})
        return self.fast(operation, body, headers=headers, **how), self.fast(
            operation, body, headers=SLOW | headers, **how
        )

    def responses_of_the_fast_path(self, *, is_short):
        """Count the fast path's responses: by the implementation under test if the body is short, else by any."""
        ways = ["parser", "asgi"]
        if is_short:
            ways = ["parser"] if self.product.environment["CC_LANE"] == "protocol" else ["asgi"]
        metrics = self.product.send("GET", "/metrics").content.decode()
        counted = [
            line for line in metrics.splitlines() if line.startswith('fast_path_responses_total{status="200"')
        ]
        return sum(float(line.split()[-1]) for line in counted if any(f'way="{way}"' in line for way in ways))

    def requests_of_django(self):
        metrics = self.product.send("GET", "/metrics").content.decode()
        lines = [
            line
            for line in metrics.splitlines()
            if line.startswith("django_http_requests_before_middlewares_total ")
        ]
        return float(lines[0].split()[1])


def headers_of(reply):
    return sorted((name.lower(), value) for name, value in reply.headers.items() if name.lower() not in OURS)


def members_of(reply):
    return without_fresh({name: value for name, value in reply.json.items() if name != "request_id"})


def without_fresh(value):
    """Replace the random parts of a response by their lengths."""
    if isinstance(value, list):
        return [without_fresh(item) for item in value]
    if isinstance(value, dict):
        return {name: len(part) if name in FRESH else without_fresh(part) for name, part in value.items()}
    return value


def assert_same(fast, slow):
    assert fast.status == slow.status, (fast.content, slow.content)
    assert members_of(fast) == members_of(slow)
    assert sorted(fast.json) == sorted(slow.json)
    assert headers_of(fast) == headers_of(slow)
