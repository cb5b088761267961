"""One server with both of its paths, the fast path and Django, and the comparison of their answers.

A request whose media type names its charset is equally valid, but the fast path leaves it to Django. So the
same request can be sent through either path.
"""

from tests.product import Product, b64

SLOW = {"Content-Type": "application/json; charset=utf-8"}
PLAINTEXT = b64(b"the canary sings at four\x00\xff")
OURS = {"x-request-id", "date", "ratelimit", "content-length", "server"}
FRESH = {"iv", "tag", "encrypted_data", "ciphertext"}  # differs for each message

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
        body = {"name": "fast-path", "algorithm": "aes-256"}
        self.key_id = product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        body = {"name": "fast-path-signing", "algorithm": "ec-p256"}
        self.signing_id = product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        self.signature = self.fast("sign", self.good("sign")).json["signature"]
        body = {"name": "fast-path-mac", "algorithm": "hmac-sha256"}
        self.mac_id = product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        self.mac = self.fast("mac", self.good("mac")).json["mac"]
        self.encrypted = self.fast("encrypt", self.good("encrypt")).json
        self.encrypted = self.fast("encrypt", self.good("encrypt")).json  # everything is cached now

    def good(self, operation, **fields):
        if operation == "encrypt":
            return {"algorithm": "aes-256-gcm", "data": PLAINTEXT, "key_id": self.key_id, **fields}
        if operation == "decrypt":
            return {"ciphertext": self.encrypted["ciphertext"], **fields}
        if operation.startswith("mac"):
            mac = {"mac": self.mac} if operation == "mac/verify" else {}
            return {"key_id": self.mac_id, "message": PLAINTEXT, **mac, **fields}
        signed = {"key_id": self.signing_id, "signing_algorithm": "ecdsa-sha256", "message": PLAINTEXT}
        return signed | ({"signature": self.signature} if operation == "verify" else {}) | fields

    def split(self, **fields):
        names = ("encrypted_data", "iv", "tag", "key_id", "algorithm", "key_version")
        return {name: self.encrypted[name] for name in names} | fields

    def parts(self):
        return {name: self.encrypted[name] for name in ("encrypted_data", "iv", "tag")}

    def batch(self, *items):
        return {"algorithm": "aes-256-gcm", "key_id": self.key_id, "items": list(items)}

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

    def answers_of_the_fast_path(self, *, is_short):
        """Count the fast path's answers: by the implementation under test if the body is short, else by any."""
        ways = ["parser", "asgi"]
        if is_short:
            ways = ["parser"] if self.product.environment["CC_LANE"] == "protocol" else ["asgi"]
        metrics = self.product.send("GET", "/metrics").content.decode()
        counted = [line for line in metrics.splitlines() if line.startswith('hot_answers_total{status="200"')]
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
    """Replace the random parts of an answer by their lengths."""
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
