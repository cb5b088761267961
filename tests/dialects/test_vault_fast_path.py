"""The fast path responds to the transit paths exactly as Django does, and leaves all other requests to it."""

import re

import pytest

from tests.crypto_ops.two_paths import SLOW
from tests.personas import b64
from tests.product import Product

pytestmark = pytest.mark.process

TEXT = b64(b"the canary sings at four")
FRESH = re.compile(rb'"request_id": ?"[0-9a-f-]+"|vault:v\d+:[A-Za-z0-9+/]+={0,2}')
VARYING = {"x-request-id", "date", "ratelimit", "content-length", "server"}


class _Paths:
    """A server with a key of each kind, and one connection to it."""

    def __init__(self, product, connection):
        self._connection = connection
        self._product = product
        self.token = product.token()
        for name, kind in {"orders": "aes256-gcm96", "release": "ed25519", "plans": "rsa-2048"}.items():
            assert self.send(f"keys/{name}", {"type": kind}).status == 200
        assert self.send("keys/tenants", {"derived": True}).status == 200
        self.sealed = self.send("encrypt/orders", {"plaintext": TEXT}).json["data"]["ciphertext"]
        self.signature = self.send("sign/release", {"input": TEXT}).json["data"]["signature"]
        self.mac = self.send("hmac/orders", {"input": TEXT}).json["data"]["hmac"]

    def send(self, path, body, headers=None, method="POST", **members):
        token = members.get("token", self.token)
        sent = {"X-Vault-Token": token, **(headers or {})}
        return self._connection.send(method, f"/v1/transit/{path}", body, headers=sent)

    def both(self, path, body, headers=None, **members):
        headers = headers or {}
        slow = self.send(path, body, {**SLOW, **headers}, **members)
        return self.send(path, body, headers, **members), slow

    def served(self):
        """The number of responses of the fast path."""
        metrics = self._product.send("GET", "/metrics").content.decode()
        found = re.findall(
            r'^fast_path_responses_total\{status="200",way="parser"\} (\S+)$', metrics, re.MULTILINE
        )
        return sum(map(float, found))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("vault")) as product, product.connect() as connection:
        yield _Paths(product, connection)


def assert_same(fast, slow):
    assert (fast.status, FRESH.sub(b"", fast.content)) == (slow.status, FRESH.sub(b"", slow.content))
    heads = [
        {name.lower(): value for name, value in response.headers.items() if name.lower() not in VARYING}
        for response in (fast, slow)
    ]
    assert heads[0] == heads[1]


def requests(paths):
    return {
        "encrypt/orders": {"plaintext": TEXT, "associated_data": b64(b"aad")},
        "encrypt/tenants": {"plaintext": TEXT, "context": b64(b"tenant 7")},
        "decrypt/orders": {"ciphertext": paths.sealed},
        "sign/release": {"input": TEXT},
        "verify/release": {"input": TEXT, "signature": paths.signature},
        "verify/orders": {"input": TEXT, "hmac": paths.mac},
        "hmac/orders/sha2-512": {"input": TEXT, "key_version": 1},
    }


def test_both_paths_give_the_same_response(paths):
    for path, body in requests(paths).items():
        paths.send(path, body)  # cache misses are loaded once
        before = paths.served()
        fast, slow = paths.both(path, body)
        assert fast.status == 200, fast.content
        assert paths.served() == before + 1, path
        assert_same(fast, slow)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("encrypt/absent", {"plaintext": TEXT}),
        ("encrypt/orders", {"plaintext": "hello"}),
        ("encrypt/orders", {"plaintext": TEXT, "key_version": 2}),
        ("encrypt/orders", {"plaintext": TEXT, "color": "red"}),
        ("encrypt/release", {"plaintext": TEXT}),
        ("encrypt/tenants", {"plaintext": TEXT}),
        ("encrypt/orders/sha2-256", {"plaintext": TEXT}),
        ("decrypt/orders", {"ciphertext": "vault:v1:" + b64(bytes(40))}),
        ("decrypt/orders", {"ciphertext": "vault:v01:" + b64(bytes(40))}),
        ("sign/release/md5", {"input": TEXT}),
        ("sign/plans", {"input": TEXT, "salt_length": "hash"}),
        ("verify/release", {"input": TEXT}),
        ("verify/release", {"input": b64(b"other"), "signature": "vault:v1:" + b64(bytes(64))}),
        ("hmac/orders/none", {"input": TEXT}),
    ],
)
def test_both_paths_refuse_or_verify_in_the_same_way(paths, path, body):
    assert_same(*paths.both(path, body))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Vault-Wrap-TTL": "60"},
        {"X-Vault-Namespace": "team"},
        {"Authorization": "Bearer x"},
        {"X-Vault-Token": ""},
        {"X-Vault-Token": "wrong"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Request-ID": "mine-7"},
    ],
)
def test_both_paths_read_the_head_in_the_same_way(paths, headers):
    assert_same(*paths.both("encrypt/orders", {"plaintext": TEXT}, headers))


def test_the_native_paths_take_no_token_of_vault(paths):
    body = {"algorithm": "aes-256-gcm", "data": TEXT}
    paths.send("encrypt/orders", {"plaintext": TEXT})
    response = paths._connection.send("POST", "/api/v1/encrypt", body, headers={"X-Vault-Token": paths.token})
    assert response.status == 401
