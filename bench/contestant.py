"""Common interface of all servers that are measured side by side."""

import base64
from typing import Protocol

from bench.requests import Refused, Request

PLAINTEXT = bytes(range(64))
TEXT = base64.b64encode(PLAINTEXT).decode()
ENCRYPT, DECRYPT = OPERATIONS = ("encrypt", "decrypt")
# Compared with OpenBao only: Ed25519, HMAC-SHA-256, data keys of 256 bits with their plaintext, and an encryption by the
# same request of Vault to both.
SIGN, VERIFY, MAC, DATA_KEY, VAULT = OTHER_OPERATIONS = ("sign", "verify", "mac", "data key", "vault encrypt")
MIX = "mix"  # encryptions, as bench.mix describes


class Contestant(Protocol):
    """A server that encrypts and decrypts ``PLAINTEXT`` under one 256-bit AES-GCM key."""

    name: str

    def request(self, operation: str) -> Request:
        """Return the request for an operation, with a token that lasts for another run."""
        ...

    def plaintext(self, response: dict) -> str:
        """Return the base64 plaintext in the response to a decryption."""
        ...

    def settle(self) -> None:
        """Wait until the work left by the last run cannot slow down the next one."""
        ...


def check(contestant: Contestant) -> None:
    """Encrypt and decrypt one message, to check that the contestant works before it is measured."""
    contestant.request(ENCRYPT).send()
    response = contestant.request(DECRYPT).send()
    if contestant.plaintext(response) != TEXT:
        raise Refused(f"{contestant.name} decrypts to something else")
