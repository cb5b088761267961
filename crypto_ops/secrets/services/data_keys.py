"""Data keys: random keys and key pairs that a key encrypts for the caller."""

import secrets
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, perform_measured, with_facts
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto import key_pairs
from kernel.crypto.algorithms import find_key_algorithms
from kernel.crypto.envelope import Envelope
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES, Mode, SealingMode
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

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN: Final = Mode("data-key")

type Generated = tuple[bytes, bytes | None]
"""The data key, or the private and the public key of a pair."""


class Contents(Unprinted, frozen=True):
    """Either the size of a random key in bits, or the key algorithm of a pair."""

    bits: int | None
    key_pair: str | None


class DataKeyRequest(Unprinted, frozen=True, kw_only=True):
    """``mode``: None for the key's default one. ``is_disclosed``: whether the answer contains the plaintext."""

    key_id: KeyReference
    contents: Contents
    mode: SealingMode | None = None
    aad: bytes = b""
    is_disclosed: bool = True


class DataKey(Unprinted, frozen=True, kw_only=True):
    """``plaintext``: the key, or the private key as PKCS #8 in DER; None if it was not requested.

    ``public_key``: of a pair, a SubjectPublicKeyInfo in DER.
    """

    contents: Contents
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


def contents_of(bits: int | None, key_pair: str | None) -> Contents:
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
    return Contents(bits, key_pair)


def generate_data_key(request: DataKeyRequest, principal: Principal) -> DataKey:
    """A new data key, sealed with the key's primary version.

    Raises refusals of the key, the principal or the audit log, Overloaded, Throttled.
    """
    # Once, although a decision may be repeated: an RSA pair takes long.
    generate = cache(partial(_generate, request.contents, principal.identity))
    return perform_measured(
        request.mode or _UNKNOWN, principal, lambda context: decide_data_key(request, context, generate)
    )


def decide_data_key(
    request: DataKeyRequest, context: DecisionContext, generate: Callable[[], Generated] | None = None
) -> Decision[DataKey]:
    """The decision; the data key is sealed when it is finished. Raises refusals, and the errors of ``generate``."""
    if rsa_process.is_rsa(request.contents.key_pair or ""):
        context.admit_slow()
    use = (actions.DATA_KEY_GENERATED, request.key_id, request.mode, None)
    permit: Permit[Any] = context.recall(use) or decide_use(
        use,
        "crypto.data_key",
        primitives.sealer,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
        modes=SEALING_MODES,
    )
    mode: SealingMode = permit.mode
    generate = generate or partial(_generate, request.contents, context.principal.identity)
    plaintext, public_key = generate()
    if mode.is_public_key:
        permit.primitive.check(plaintext, request.aad, field="key_pair")
    context.reserve(permit.version, mode)
    grounds = permit.grounds if request.is_disclosed else with_facts(permit.grounds, plaintext=False)
    return Decision(
        partial(_seal, request, permit, mode, plaintext, public_key),
        grounds,
        len(plaintext),
        context.request_id,
    )


def _generate(contents: Contents, payer: Identity) -> Generated:
    if contents.key_pair is None:
        return secrets.token_bytes((contents.bits or 0) // 8), None
    material, public_key = rsa_process.generate(contents.key_pair, payer)
    return material.expose(), public_key  # noqa: CC1 - the caller gets the private key of a new pair


def _seal(
    request: DataKeyRequest,
    permit: Permit[Any],
    mode: SealingMode,
    plaintext: bytes,
    public_key: bytes | None,
) -> DataKey:
    key_id, version = permit.entry.key_id, permit.version.number
    sealed = permit.primitive.seal(plaintext, key_id=key_id, version=version, aad=request.aad)
    return DataKey(
        contents=request.contents,
        plaintext=plaintext if request.is_disclosed else None,
        public_key=public_key,
        envelope=Envelope(mode, key_id, version, sealed),
    )
