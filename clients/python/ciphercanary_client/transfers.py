"""Files through ``/api/v1/stream/encrypt`` and ``/decrypt``: the request, and whether the response is complete."""

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from ciphercanary_client.errors import ConnectionFailed
from ciphercanary_client.files import BLOCK_SIZE, PRIVATE, PUBLIC

# docs/ciphertext-format.md: header, salt, commitment; each chunk of plaintext has a tag.
_HEADER_SIZE, _FIXED_SIZE, _CHUNK_SIZE, _TAG_SIZE = 22, 78, 16 * 1024, 16
_ENVELOPE = struct.Struct(">2sH")
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

    def require_complete(self, sent: IO[bytes], received: int) -> None:
        """Raise ConnectionFailed unless ``received`` bytes are the whole response to a file that was sent completely.

        HTTP/1.1 reports a response that was cut off, but a proxy in between may not.
        """
        size = sent.tell()
        plain, sealed = (size, received) if self.is_encryption else (received, size)
        header = _HEADER_SIZE if self.is_encryption else _header_size(sent)
        if stream_size(plain) - _HEADER_SIZE + header != sealed:
            raise ConnectionFailed("The response was cut off.")


def _header_size(file: IO[bytes]) -> int:
    """The size of the header of a stream or of a local envelope, which the server decrypts, too."""
    file.seek(0)
    begin = file.read(_ENVELOPE.size)
    if len(begin) == _ENVELOPE.size and begin.startswith(b"\x02\x20"):
        return _ENVELOPE.size + int(_ENVELOPE.unpack(begin)[1])
    return _HEADER_SIZE


def _headers(aad: bytes) -> dict[str, str]:
    if len(aad) > MAX_AAD:
        raise ValueError(f"The aad of a file has at most {MAX_AAD} bytes.")
    headers = {"Content-Type": "application/octet-stream"}
    return {**headers, "X-AAD": base64.b64encode(aad).decode()} if aad else headers


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_SIZE):
        yield block
