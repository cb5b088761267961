"""The bodies of data keys, derived keys and shared secrets, what they request, and their responses."""

from typing import Annotated, Any

from drf_spectacular.utils import extend_schema_field
from msgspec import UNSET, UnsetType
from rest_framework import serializers

from crypto_ops.deciding.wire import (
    Aad,
    KeyText,
    ModeName,
    RequestBody,
    Version,
    encode_json,
    encode_result,
)
from crypto_ops.items.wire import aad_of
from crypto_ops.requests import MAX_KEM_CIPHERTEXT_BYTES, MAX_PUBLIC_KEY_BYTES
from crypto_ops.secrets.services import data_keys
from crypto_ops.secrets.services.data_keys import BITS, DEFAULT_BITS, KEY_PAIRS, DataKeyRequest, contents_of
from crypto_ops.secrets.services.derivations import (
    MAX_BITS,
    MAX_CONTEXT_BYTES,
    MIN_BITS,
    DerivationRequest,
    DerivedKey,
    require_context,
    size_of,
)
from crypto_ops.secrets.services.shared_secrets import (
    AgreeRequest,
    DecapsulateRequest,
    EncapsulateRequest,
    SharedSecret,
)
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.modes import find_sealing_mode
from kernel.crypto.sealing import envelope
from kernel.crypto.transport import pem
from kernel.errors import Invalid
from kernel.rest.derived import Rest
from kernel.rest.fields import Base64Field, PublicKeyField
from keys import references


@extend_schema_field({"type": "integer", "enum": list(BITS)})
class BitsField(serializers.IntegerField):
    """The size of a data key. ``contents_of`` rejects another one."""


@extend_schema_field({"type": "string", "enum": list(KEY_PAIRS)})
class KeyPairField(serializers.CharField):
    """The key algorithm of a pair. ``contents_of`` rejects an unknown one with a specific error code."""


@extend_schema_field({"type": "integer", "minimum": MIN_BITS, "maximum": MAX_BITS, "multipleOf": 8})
class _DerivedBitsField(serializers.IntegerField):
    """The size of a derived key. ``size_of`` rejects another one."""


type _Bits = Annotated[int, Rest(BitsField, help_text=f"{DEFAULT_BITS} unless given; not with key_pair")]
type _Mode = Annotated[ModeName, Rest(help_text="the key's default mode unless given")]
type _IsDisclosed = Annotated[
    bool,
    Rest(serializers.BooleanField, help_text="whether the response has the plaintext; true unless given"),
]
type _Context = Annotated[
    str,
    Rest(Base64Field, max_bytes=MAX_CONTEXT_BYTES, help_text="identifies the derived key; at least one byte"),
]
type _PublicKey = Annotated[
    str,
    Rest(
        PublicKeyField,
        max_bytes=MAX_PUBLIC_KEY_BYTES,
        help_text="of the other party: SubjectPublicKeyInfo, DER in base64 or PEM",
    ),
]
type _ProtectingVersion = Annotated[Version, Rest(help_text="the primary version unless given")]
type _EncapsulatingVersion = Annotated[
    Version, Rest(help_text="required: with a wrong version, the secret is another one, without an error")
]
type _EarlierVersion = Annotated[
    Version,
    Rest(
        help_text="an earlier version, for a secret that was shared with it; the primary version by default"
    ),
]


class DataKey(RequestBody, frozen=True):
    """A random key of ``bits``, or with ``key_pair`` a private key and its public key."""

    key_id: KeyText
    bits: _Bits | UnsetType = UNSET
    key_pair: Annotated[str, Rest(KeyPairField, max_length=50)] | UnsetType = UNSET
    algorithm: _Mode | UnsetType = UNSET
    aad: Aad | UnsetType = UNSET
    plaintext: _IsDisclosed | UnsetType = UNSET


def data_key_request(message: DataKey) -> DataKeyRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return DataKeyRequest(
        key_id=references.parse(message.key_id),
        mode=None if message.algorithm is UNSET else find_sealing_mode(message.algorithm),
        contents=contents_of(
            None if message.bits is UNSET else message.bits,
            None if message.key_pair is UNSET else message.key_pair,
        ),
        aad=aad_of(message.aad),
        is_disclosed=message.plaintext is not False,
    )


def generated(result: data_keys.DataKey, _message: DataKey) -> bytes:
    """The response has no member without a value."""
    contents = result.contents
    members: dict[str, Any] = {
        "ciphertext": envelope.encode(result.envelope),
        "algorithm": result.mode.name,
        "key_id": str(result.key_id),
        "key_version": result.key_version,
    }
    members |= {"bits": contents.bits} if contents.key_pair is None else {"key_pair": contents.key_pair}
    if result.public_key is not None:
        members["public_key"] = encode_base64(result.public_key)
    if result.plaintext is not None:
        members["plaintext"] = encode_base64(result.plaintext)
    return encode_json(members)


class Derive(RequestBody, frozen=True):
    key_id: KeyText
    context: _Context
    bits: Annotated[int, Rest(_DerivedBitsField)]
    key_version: _ProtectingVersion | UnsetType = UNSET


def derivation_request(message: Derive) -> DerivationRequest:
    """Raises Invalid."""
    context = decode_base64(message.context, field="context", max_bytes=MAX_CONTEXT_BYTES)
    return DerivationRequest(
        key_id=references.parse(message.key_id),
        context=require_context(context),
        size=size_of(message.bits),
        key_version=message.key_version or None,
    )


def derived(result: DerivedKey, _message: Derive) -> bytes:
    return encode_result(result, "algorithm", derived=encode_base64(result.derived))


class Encapsulate(RequestBody, frozen=True):
    key_id: KeyText


class Decapsulate(RequestBody, frozen=True):
    key_id: KeyText
    key_version: _EncapsulatingVersion
    ciphertext: Annotated[str, Rest(Base64Field, max_bytes=MAX_KEM_CIPHERTEXT_BYTES)]


class Agree(RequestBody, frozen=True):
    key_id: KeyText
    public_key: _PublicKey
    key_version: _EarlierVersion | UnsetType = UNSET


def encapsulate_request(message: Encapsulate) -> EncapsulateRequest:
    """Raises Invalid."""
    return EncapsulateRequest(key_id=references.parse(message.key_id))


def decapsulate_request(message: Decapsulate) -> DecapsulateRequest:
    """Raises Invalid."""
    return DecapsulateRequest(
        key_id=references.parse(message.key_id),
        key_version=message.key_version,
        ciphertext=decode_base64(message.ciphertext, field="ciphertext", max_bytes=MAX_KEM_CIPHERTEXT_BYTES),
    )


def agree_request(message: Agree) -> AgreeRequest:
    """Raises Invalid."""
    try:
        public_key = decode_base64(message.public_key, field="public_key", max_bytes=MAX_PUBLIC_KEY_BYTES)
    except Invalid:
        public_key = _of_pem(message.public_key)
    return AgreeRequest(
        key_id=references.parse(message.key_id),
        public_key=public_key,
        key_version=message.key_version or None,
    )


def _of_pem(text: str) -> bytes:
    """Also of base64 with line breaks. Raises Invalid."""
    try:
        return pem.read_public(text, max_bytes=MAX_PUBLIC_KEY_BYTES)
    except WrongKey as error:
        raise Invalid.of_field("public_key", str(error)) from None


def encapsulated(result: SharedSecret, _message: Encapsulate) -> bytes:
    return encode_result(
        result,
        "algorithm",
        shared_secret=encode_base64(result.secret),
        ciphertext=encode_base64(result.ciphertext),
    )


def shared(result: SharedSecret, _message: Decapsulate | Agree) -> bytes:
    return encode_result(result, "algorithm", shared_secret=encode_base64(result.secret))
