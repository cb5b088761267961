"""A tiny issuer in the test process, whose tokens and responses a test can make wrong in any way."""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT_ID = "ciphercanary"
ACCESS_TOKEN = "access-token-of-the-tests"
CODE = "code-of-the-tests"


class Issuer:
    """``id_token`` is the next response of the token endpoint. ``requests`` has what the endpoints received."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.curve_key = ec.generate_private_key(ec.SECP256R1())
        self.reset()

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def strange_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def reset(self) -> None:
        self.kid = "1"
        self.id_token = ""
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.responses: dict[str, tuple[int, object]] = {
            "/.well-known/openid-configuration": (200, self.metadata()),
            "/userinfo": (200, {"sub": "s-1", "groups": ["engineers"]}),
        }

    def metadata(self, **changes: object) -> dict[str, object]:
        described = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "scopes_supported": ["openid", "profile", "groups"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
        }
        return described | changes

    def keys(self) -> dict[str, object]:
        keys = {self.kid: self.key, "curve": self.curve_key}
        algorithms = {self.kid: "RS256", "curve": "ES256"}
        return {"keys": [public_jwk(key, kid, algorithms[kid]) for kid, key in keys.items()]}

    def claims(self, nonce: str, /, **changes: object) -> dict[str, object]:
        now = int(time.time())
        usual = {
            "iss": self.url,
            "sub": "s-1",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "at_hash": half_hash(ACCESS_TOKEN),
            "preferred_username": "Paul",
            "groups": ["everyone", "engineers"],
            "amr": ["pwd", "otp"],
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def sign(
        self, claims: dict[str, object], *, key: object = None, alg: str = "RS256", kid: str = ""
    ) -> str:
        return jwt.encode(claims, key or self.key, algorithm=alg, headers={"kid": kid or self.kid})

    def sign_with_secret(self, claims: dict[str, object], secret: bytes) -> str:
        """HS256 by hand, because the library refuses a public key as the secret."""
        head, body = (segment(part) for part in ({"alg": "HS256", "kid": self.kid}, claims))
        mac = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
        return f"{head}.{body}.{encode(mac)}"

    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def respond(self, path: str, fields: dict[str, str], authorization: str) -> tuple[int, object]:
        self.requests.append((path, fields, authorization))
        if path in self.responses:
            return self.responses[path]
        if path == "/keys":
            return 200, self.keys()
        return 200, {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": self.id_token}


def half_hash(text: str) -> str:
    return encode(hashlib.sha256(text.encode()).digest()[:16])


def segment(members: dict[str, object]) -> str:
    return encode(json.dumps(members).encode())


def encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public_jwk(key: object, kid: str, alg: str) -> dict[str, object]:
    described = jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True)
    return {**described, "kid": kid, "use": "sig"}


@contextmanager
def running_issuer(tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.respond(dict(parse_qsl(body)))

        def respond(self, fields: dict[str, str]) -> None:
            status, content = issuer.respond(self.path, fields, self.headers.get("Authorization", ""))
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status in {302, 307}:
                self.send_header("Location", f"{issuer.url}/.well-known/another")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    issuer = Issuer(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
