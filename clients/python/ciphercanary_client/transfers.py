"""Files through ``/api/v1/stream/encrypt`` and ``/decrypt``: the request, and whether the answer is complete."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from ciphercanary_client.errors import ConnectionFailed
from ciphercanary_client.files import BLOCK_SIZE, PRIVATE, PUBLIC

# docs/ciphertext-format.md: header, salt, commitment; each chunk of plaintext has a tag.
_FIXED_SIZE, _CHUNK_SIZE, _TAG_SIZE = 78, 16 * 1024, 16
MAX_AAD = 4096  # bytes


def stream_size(plaintext_size: int) -> int:
    """The size in bytes of the stream of a plaintext."""
    return _FIXED_SIZE + plaintext_size + (plaintext_size // _CHUNK_SIZE + 1) * _TAG_SIZE


@dataclass(frozen=True)
class Transfer:
    """One file to encrypt or decrypt."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    is_encryption: bool

    @property
    def mode(self) -> int:
        """The permissions of the target."""
        return PUBLIC if self.is_encryption else PRIVATE

    @staticmethod
    def encryption(key: str, aad: bytes) -> "Transfer":
        return Transfer("/api/v1/stream/encrypt", {"key_id": key}, _headers(aad), is_encryption=True)

    @staticmethod
    def decryption(aad: bytes) -> "Transfer":
        return Transfer("/api/v1/stream/decrypt", {}, _headers(aad), is_encryption=False)

    def require_complete(self, sent: int, received: int) -> None:
        """Raise ConnectionFailed unless ``received`` bytes are the whole answer to ``sent`` bytes.

        HTTP/1.1 reports an answer that was cut off, but a proxy in between may not.
        """
        plain, sealed = (sent, received) if self.is_encryption else (received, sent)
        if stream_size(plain) != sealed:
            raise ConnectionFailed("The answer was cut off.")


def _headers(aad: bytes) -> dict[str, str]:
    if len(aad) > MAX_AAD:
        raise ValueError(f"The aad of a file has at most {MAX_AAD} bytes.")
    headers = {"Content-Type": "application/octet-stream"}
    return {**headers, "X-AAD": base64.b64encode(aad).decode()} if aad else headers


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_SIZE):
        yield block
