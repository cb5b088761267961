"""Key agreement: ECDH (NIST SP 800-56A §5.7.1.2) and X25519 (RFC 7748). The secret is not uniformly random."""

from typing import Any, final

from cryptography.hazmat.primitives.asymmetric import ec

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.key_pairs import PrivateKey
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import Confidential


@final
class Agreement(Confidential):
    """A private key, ready to use. Threads may share it."""

    __slots__ = ("_algorithm", "_key")

    def __init__(self, algorithm: str, key: PrivateKey) -> None:
        self._algorithm = algorithm
        self._key: Any = key

    def agree(self, public_key: bytes) -> bytes:
        """The secret shared with the owner of a public key, a SubjectPublicKeyInfo in DER. Raises Invalid.

        The library checks that the point is on the curve. X25519 refuses points that give the secret zero (RFC 7748
        §6.1).
        """
        try:
            peer: Any = key_pairs.load_public(self._algorithm, public_key)
            if isinstance(self._key, ec.EllipticCurvePrivateKey):
                secret: bytes = self._key.exchange(ec.ECDH(), peer)
            else:
                secret = self._key.exchange(peer)
        except WrongKey as error:
            raise Invalid.of_field("public_key", str(error)) from None
        except ValueError:
            raise Invalid.of_field("public_key", "No secret can be shared with this key.") from None
        return secret
