"""Data keys: random keys and key pairs that a key encrypts for the caller."""

import secrets
from typing import Any, ClassVar, Final
from uuid import UUID

from msgspec import field

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import KeyRequest, protecting_permit, with_facts
from crypto_ops.requests import Unprinted
from kernel.crypto.algorithms import find_key_algorithms
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES, SealingMode
from kernel.crypto.sealing.envelope import Envelope
from kernel.errors import Invalid
from kernel.identities import Identity
from kernel.rsa import process as rsa_process
from keys.references import KeyReference
from keys.ring import primitives

BITS: Final = (128, 192, 256, 512)
DEFAULT_BITS: Final = 256
KEY_PAIRS: Final = tuple(
    name for name in key_pairs.PKCS8_ALGORITHMS if any(kind.protects for kind in find_key_algorithms(name))
)

type Generated = tuple[bytes, bytes | None]
"""The data key, or the private and the public key of a pair."""


class _Contents(Unprinted, frozen=True):
    """Either the size of a random key in bits, or the key algorithm of a pair."""

    bits: int | None
    key_pair: str | None


class DataKey(Unprinted, frozen=True, kw_only=True):
    """``plaintext``: the key, or the private key as PKCS #8 in DER; None if it was not requested.

    ``public_key``: of a pair, a SubjectPublicKeyInfo in DER.
    """

    contents: _Contents
    plaintext: bytes | None
    public_key: bytes | None
    envelope: Envelope

    @property
    def mode(self) -> SealingMode:
        return self.envelope.mode

    @property
    def key_id(self) -> UUID:
        return self.envelope.key_id

    @property
    def key_version(self) -> int:
        return self.envelope.version


class DataKeyRequest(KeyRequest[DataKey], frozen=True, kw_only=True):
    """``is_disclosed``: whether the response contains the plaintext."""

    unknown_mode: ClassVar = "data-key"

    key_id: KeyReference
    contents: _Contents
    mode: SealingMode | None = None
    aad: bytes = b""
    is_disclosed: bool = True
    # At most one: it is made once, although a decision may be repeated, because an RSA pair takes long.
    _generated: list[Generated] = field(default_factory=list)

    def decide(self, context: DecisionContext) -> Decision[DataKey]:
        """The data key is sealed when the decision is finished. Raises also Overloaded, Throttled."""
        if rsa_process.is_rsa(self.contents.key_pair or ""):
            context.admit_slow()
        use = (actions.DATA_KEY_GENERATED, self.key_id, self.mode, None)
        permit: Permit[Any] = context.recall(use) or protecting_permit(
            use, "crypto.data_key", primitives.sealer, context, SEALING_MODES
        )
        if not self._generated:
            self._generated.append(_generate(self.contents, context.principal.identity))
        [generated] = self._generated
        plaintext, _ = generated
        if permit.mode.is_public_key:
            permit.primitive.check(plaintext, self.aad, field="key_pair")
        context.reserve(permit.version, permit.mode)
        grounds = permit.grounds if self.is_disclosed else with_facts(permit.grounds, plaintext=False)
        return _SealingDataKey(
            grounds, len(plaintext), context.request_id, request=self, permit=permit, generated=generated
        )


class _SealingDataKey(Decision[DataKey], frozen=True, kw_only=True):
    request: DataKeyRequest
    permit: Permit[Any]
    generated: Generated

    def finish(self) -> DataKey:
        request, permit = self.request, self.permit
        plaintext, public_key = self.generated
        key_id, version = permit.entry.key_id, permit.version.number
        sealed = permit.primitive.seal(plaintext, key_id=key_id, version=version, aad=request.aad)
        return DataKey(
            contents=request.contents,
            plaintext=plaintext if request.is_disclosed else None,
            public_key=public_key,
            envelope=Envelope(permit.mode, key_id, version, sealed),
        )


def contents_of(bits: int | None, key_pair: str | None) -> _Contents:
    """Raises Invalid, UnsupportedAlgorithm."""
    if key_pair is None:
        bits = DEFAULT_BITS if bits is None else bits
        if bits not in BITS:
            raise Invalid.of_field("bits", f"Choose one of: {', '.join(map(str, BITS))}.")
    elif bits is not None:
        raise Invalid.of_field("bits", "Omit this field, or omit key_pair.")
    elif key_pair not in KEY_PAIRS:
        raise UnsupportedAlgorithm(
            f"Unknown type of key pair. Allowed: {', '.join(KEY_PAIRS)}.", field="key_pair"
        )
    return _Contents(bits, key_pair)


def _generate(contents: _Contents, payer: Identity) -> Generated:
    if contents.key_pair is None:
        return secrets.token_bytes((contents.bits or 0) // 8), None
    material, public_key = rsa_process.generate(contents.key_pair, payer)
    return material.expose(), public_key  # noqa: CC1 - the caller gets the private key of a new pair
