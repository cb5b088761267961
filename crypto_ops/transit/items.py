"""Messages for transit keys: what each operation needs, and its result."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, override

from crypto_ops import actions
from crypto_ops.requests import Unprinted
from crypto_ops.transit.texts import TOO_OLD
from kernel.crypto.transit.signing import SignatureForm
from keys.ring import primitives

type _Found = bytes | bool
"""A ciphertext, plaintext, signature or MAC; or whether one is valid."""


class TransitItem(Unprinted, frozen=True, kw_only=True):
    """One message. ``key_version``: 0 for the primary version.

    ``protects``: whether the operation protects new data. ``verb``, ``unsupported``, ``too_new`` and ``too_old``: of errors,
    in OpenBao's words. ``build``: the kind of primitive.
    """

    action: ClassVar[str]
    permission: ClassVar[str]
    operation: ClassVar[Literal["encrypt", "sign", "mac"]]
    build: ClassVar[Any]
    protects: ClassVar[bool]
    reserves: ClassVar[bool] = False
    verb: ClassVar[str] = ""
    unsupported: ClassVar[str]
    too_new: ClassVar[str] = ""
    too_old: ClassVar[str] = TOO_OLD

    key_version: int = 0

    @property
    @abstractmethod
    def message(self) -> bytes: ...

    @abstractmethod
    def result(self, primitive: Any) -> _Found:
        """Raises DecryptionFailed, Invalid."""

    def public_key(self, _primitive: Any) -> bytes:
        """Of a signature by a derived key; else empty."""
        return b""

    def size_of(self, _result: _Found) -> int:
        """The number of bytes that the log records."""
        return len(self.message)


class Sealing(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.MESSAGE_ENCRYPTED
    permission: ClassVar = "crypto.encrypt"
    operation: ClassVar = "encrypt"
    build: ClassVar = staticmethod(primitives.transit_cipher)
    protects: ClassVar = True
    reserves: ClassVar = True
    verb: ClassVar = "encryption"
    unsupported: ClassVar = "message encryption not supported for key type {}"

    plaintext: bytes
    context: bytes = b""
    aad: bytes = b""

    @property
    def message(self) -> bytes:
        return self.plaintext

    def result(self, primitive: Any) -> bytes:
        sealed: bytes = primitive.seal(self.plaintext, context=self.context, aad=self.aad)
        return sealed


class SealingDataKey(Sealing, frozen=True, kw_only=True):
    action: ClassVar = actions.DATA_KEY_GENERATED
    permission: ClassVar = "crypto.data_key"


class Opening(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.MESSAGE_DECRYPTED
    permission: ClassVar = "crypto.decrypt"
    operation: ClassVar = "encrypt"
    build: ClassVar = staticmethod(primitives.transit_cipher)
    protects: ClassVar = False
    unsupported: ClassVar = "message decryption not supported for key type {}"
    too_new: ClassVar = "invalid ciphertext: version is too new"

    sealed: bytes
    context: bytes = b""
    aad: bytes = b""

    @property
    def message(self) -> bytes:
        return self.sealed

    @override
    def size_of(self, result: _Found) -> int:
        return len(result) if isinstance(result, bytes) else 0

    def result(self, primitive: Any) -> bytes:
        plaintext: bytes = primitive.open(self.sealed, context=self.context, aad=self.aad)
        return plaintext


class Signing(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.MESSAGE_SIGNED
    permission: ClassVar = "crypto.sign"
    operation: ClassVar = "sign"
    build: ClassVar = staticmethod(primitives.transit_signer)
    protects: ClassVar = True
    verb: ClassVar = "signing"
    unsupported: ClassVar = "key type {} does not support signing"

    message: bytes
    form: SignatureForm
    context: bytes = b""

    def result(self, primitive: Any) -> bytes:
        signature: bytes = primitive.sign(self.message, self.form, self.context)
        return signature

    @override
    def public_key(self, primitive: Any) -> bytes:
        found: bytes = primitive.public_key(self.context)
        return found


class Verifying(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.SIGNATURE_VERIFIED
    permission: ClassVar = "crypto.verify"
    operation: ClassVar = "sign"
    build: ClassVar = staticmethod(primitives.transit_signer)
    protects: ClassVar = False
    unsupported: ClassVar = "key type {} does not support verification"
    too_new: ClassVar = "invalid signature: version is too new"

    message: bytes
    signature: bytes
    form: SignatureForm
    context: bytes = b""

    def result(self, primitive: Any) -> bool:
        return bool(primitive.is_valid(self.message, self.signature, self.form, self.context))


class ComputingMac(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.MAC_COMPUTED
    permission: ClassVar = "crypto.mac"
    operation: ClassVar = "mac"
    build: ClassVar = staticmethod(primitives.transit_mac)
    protects: ClassVar = True
    verb: ClassVar = "HMAC"
    unsupported: ClassVar = "key type {} does not support HMAC"

    message: bytes
    hash_algorithm: str

    def result(self, primitive: Any) -> bytes:
        mac: bytes = primitive.compute(self.message, self.hash_algorithm)
        return mac


class VerifyingMac(TransitItem, frozen=True, kw_only=True):
    action: ClassVar = actions.MAC_VERIFIED
    permission: ClassVar = "crypto.verify"
    operation: ClassVar = "mac"
    build: ClassVar = staticmethod(primitives.transit_mac)
    protects: ClassVar = False
    unsupported: ClassVar = "key type {} does not support HMAC"

    too_new: ClassVar = "invalid HMAC: version is too new"
    too_old: ClassVar = "cannot verify HMAC: version is too old (disallowed by policy)"

    message: bytes
    mac: bytes
    hash_algorithm: str

    def result(self, primitive: Any) -> bool:
        return bool(primitive.is_valid(self.message, self.mac, self.hash_algorithm))
