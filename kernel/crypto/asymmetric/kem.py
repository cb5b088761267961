"""Key encapsulation: ML-KEM (FIPS 203). Sender and owner of the key get the same secret of 32 bytes."""

from typing import Any, final

from kernel.crypto.asymmetric.key_pairs import PrivateKey, PublicKey
from kernel.crypto.errors import Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.modes import KemMode


@final
class Encapsulator:
    """A public key, ready to use. Threads may share it."""

    __slots__ = ("_key",)

    def __init__(self, key: PublicKey) -> None:
        self._key: Any = key

    def encapsulate(self) -> tuple[bytes, bytes]:
        """A new shared secret and its ciphertext."""
        secret, ciphertext = self._key.encapsulate()
        return secret, ciphertext


@final
class Decapsulator(Confidential):
    """A private key, ready to use. Threads may share it."""

    __slots__ = ("_key", "_mode")

    def __init__(self, key: PrivateKey, mode: KemMode) -> None:
        self._key: Any = key
        self._mode = mode

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret. Raises Invalid for a ciphertext of another length.

        A ciphertext that was altered or made for another key gives an unpredictable secret, not an error (FIPS 203
        §3.3, implicit rejection).
        """
        if len(ciphertext) != self._mode.ciphertext_size:
            raise Invalid.of_field(
                "ciphertext", f"Must be {self._mode.ciphertext_size} bytes for {self._mode.name}."
            )
        secret: bytes = self._key.decapsulate(ciphertext)
        return secret
