"""What everything that is measured side by side has in common."""

import base64
from typing import Protocol

from bench.requests import Refused, Request

PLAINTEXT = bytes(range(64))
TEXT = base64.b64encode(PLAINTEXT).decode()
ENCRYPT, DECRYPT = OPERATIONS = ("encrypt", "decrypt")


class Contestant(Protocol):
    """A server that encrypts and decrypts ``PLAINTEXT`` under one 256-bit AES-GCM key."""

    name: str

    def request(self, operation: str) -> Request:
        """Return the request for one of ``OPERATIONS``, with a token that lasts for another run."""
        ...

    def plaintext(self, answer: dict) -> str:
        """Return the base64 that the answer to a decryption holds."""
        ...

    def settle(self) -> None:
        """Wait until nothing that the last run left to do takes from the next one."""
        ...


def check(contestant: Contestant) -> None:
    """Have one message encrypted and decrypted: what is measured must work."""
    contestant.request(ENCRYPT).send()
    answer = contestant.request(DECRYPT).send()
    if contestant.plaintext(answer) != TEXT:
        raise Refused(f"{contestant.name} decrypts to something else")
