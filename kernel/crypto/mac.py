"""HMAC (FIPS 198-1, RFC 2104) under key material that never leaves this package."""

from typing import final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hmac

from kernel.crypto.errors import MacMismatch
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import DIGESTS, Digest


@final
class Mac(Confidential):
    """One key, ready to use: its two blocks are hashed once instead of per message. Threads may share it."""

    __slots__ = ("_keyed",)

    def __init__(self, key: KeyMaterial, digest: Digest = "sha256") -> None:
        self._keyed = hmac.HMAC(key.expose(), DIGESTS[digest])

    def compute(self, message: bytes) -> bytes:
        """The tag of a message, as long as the digest."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.finalize()

    def verify(self, message: bytes, tag: bytes) -> None:
        """Compare in constant time, also the length. Raises MacMismatch."""
        mac = self._keyed.copy()
        mac.update(message)
        try:
            mac.verify(tag)
        except InvalidSignature:
            raise MacMismatch from None
