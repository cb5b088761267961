"""The bodies of signatures, MACs and JWTs, what they request, and their responses."""

from typing import Annotated, Any

import msgspec
from drf_spectacular.utils import extend_schema_field
from msgspec import UNSET, Meta, UnsetType
from rest_framework import serializers

from crypto_ops.deciding.wire import KeyText, RequestBody, SigningModeName, Version, encode_result
from crypto_ops.items.wire import Plaintext, max_plaintext, octets_of
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_ITEMS, MAX_MAC_BYTES, MAX_SIGNATURE_BYTES
from crypto_ops.signatures.items import (
    MacItem,
    SignItem,
    VerifyItem,
    VerifyMacItem,
    mac_item_of,
    signature_item_of,
)
from crypto_ops.signatures.services import batches as proof_batches
from crypto_ops.signatures.services.jwts import JwtRequest, SignedJwt, header_of, payload_of
from crypto_ops.signatures.services.macs import ComputedMac, MacRequest, VerifyMacRequest
from crypto_ops.signatures.services.signatures import (
    Signature,
    SignRequest,
    VerifyRequest,
    message_of,
    require_encoding,
)
from crypto_ops.signatures.services.verification import Verification
from kernel.crypto.asymmetric.signing import Encoding
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import SigningMode, find_signing_mode
from kernel.errors import Invalid
from kernel.http import strict_json
from kernel.rest.derived import Rest
from kernel.rest.fields import Base64Field, ChoiceField
from keys import references

type _Digest = Annotated[str, Rest(Base64Field, max_bytes=MAX_DIGEST_BYTES)]
type _Encoding = Annotated[Encoding, Rest(ChoiceField, choices=("der", "raw"))]
type _OfMessage = Annotated[_Encoding, Rest(help_text="of an ECDSA signature; der unless given")]
type _OfBatch = Annotated[_Encoding, Rest(help_text="of ECDSA signatures; der unless given")]
type _AnyVersion = Annotated[
    Version, Rest(help_text="without it, the versions are tried from the newest to the oldest")
]


class Sign(RequestBody, frozen=True):
    """``message``, or with ECDSA and RSA its ``digest``."""

    key_id: KeyText
    signing_algorithm: SigningModeName
    message: Plaintext | UnsetType = UNSET
    digest: _Digest | UnsetType = UNSET
    encoding: _OfMessage | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 8 + 4 * (
            (self.message is not UNSET) + (self.digest is not UNSET) + (self.encoding is not UNSET)
        )


class Verify(RequestBody, frozen=True, kw_only=True):
    key_id: KeyText
    signing_algorithm: SigningModeName
    message: Plaintext | UnsetType = UNSET
    digest: _Digest | UnsetType = UNSET
    encoding: _OfMessage | UnsetType = UNSET
    signature: Annotated[str, Rest(Base64Field, max_bytes=MAX_SIGNATURE_BYTES)]
    key_version: _AnyVersion | UnsetType = UNSET


class SignBatch(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: SigningModeName
    items: Annotated[list[SignItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    encoding: _OfBatch | UnsetType = UNSET


class VerifyBatch(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: SigningModeName
    items: Annotated[list[VerifyItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    encoding: _OfBatch | UnsetType = UNSET


def sign_request(message: Sign) -> SignRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, octets, is_digest = _signed_part(message)
    return SignRequest(
        mode=mode,
        key_id=references.parse(message.key_id),
        message=octets,
        is_digest=is_digest,
        encoding=message.encoding or "der",
    )


def verify_request(message: Verify) -> VerifyRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, octets, is_digest = _signed_part(message)
    return VerifyRequest(
        mode=mode,
        key_id=references.parse(message.key_id),
        message=octets,
        signature=decode_base64(message.signature, field="signature", max_bytes=MAX_SIGNATURE_BYTES),
        is_digest=is_digest,
        encoding=message.encoding or "der",
        key_version=message.key_version or None,
    )


def sign_batch(message: SignBatch) -> proof_batches.SignBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, encoding = _form_of(message)
    return proof_batches.SignBatch(
        mode=mode,
        key_id=references.parse(message.key_id),
        items=[
            signature_item_of(item.message, item.digest, UNSET, None, mode=mode) for item in message.items
        ],
        encoding=encoding,
    )


def verify_batch(message: VerifyBatch) -> proof_batches.VerifyBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, encoding = _form_of(message)
    return proof_batches.VerifyBatch(
        mode=mode,
        key_id=references.parse(message.key_id),
        items=[
            signature_item_of(item.message, item.digest, item.signature, item.key_version or None, mode=mode)
            for item in message.items
        ],
        encoding=encoding,
    )


def _form_of(message: SignBatch | VerifyBatch) -> tuple[SigningMode, Encoding]:
    mode = find_signing_mode(message.signing_algorithm)
    require_encoding(mode, message.encoding or None)
    return mode, message.encoding or "der"


def _signed_part(message: Sign | Verify) -> tuple[SigningMode, bytes, bool]:
    mode = find_signing_mode(message.signing_algorithm)
    octets = octets_of(message.message, "message", max_plaintext())
    digest = octets_of(message.digest, "digest", MAX_DIGEST_BYTES)
    return mode, *message_of(mode, octets, digest, message.encoding or None)


def signed(result: Signature, _message: Sign) -> bytes:
    return encode_result(result, "signing_algorithm", signature=encode_base64(result.signature))


def verified(result: Verification, _message: Verify) -> bytes:
    return encode_result(result, "signing_algorithm", valid=result.is_valid)


class Mac(RequestBody, frozen=True):
    key_id: KeyText
    message: Plaintext


class VerifyMac(RequestBody, frozen=True):
    key_id: KeyText
    message: Plaintext
    mac: Annotated[str, Rest(Base64Field, max_bytes=MAX_MAC_BYTES)]
    key_version: _AnyVersion | UnsetType = UNSET


class MacBatch(RequestBody, frozen=True):
    key_id: KeyText
    items: Annotated[list[MacItem], Meta(min_length=1, max_length=MAX_ITEMS)]


class VerifyMacBatch(RequestBody, frozen=True):
    key_id: KeyText
    items: Annotated[list[VerifyMacItem], Meta(min_length=1, max_length=MAX_ITEMS)]


def mac_request(message: Mac) -> MacRequest:
    """Raises Invalid."""
    return MacRequest(
        key_id=references.parse(message.key_id),
        message=decode_base64(message.message, field="message", max_bytes=max_plaintext()),
    )


def verify_mac_request(message: VerifyMac) -> VerifyMacRequest:
    """Raises Invalid."""
    return VerifyMacRequest(
        key_id=references.parse(message.key_id),
        message=decode_base64(message.message, field="message", max_bytes=max_plaintext()),
        mac=decode_base64(message.mac, field="mac", max_bytes=MAX_MAC_BYTES),
        key_version=message.key_version or None,
    )


def mac_batch(message: MacBatch) -> proof_batches.MacBatch:
    """Raises Invalid."""
    return proof_batches.MacBatch(
        key_id=references.parse(message.key_id),
        items=[mac_item_of(item.message, UNSET, None) for item in message.items],
    )


def verify_mac_batch(message: VerifyMacBatch) -> proof_batches.VerifyMacBatch:
    """Raises Invalid."""
    return proof_batches.VerifyMacBatch(
        key_id=references.parse(message.key_id),
        items=[mac_item_of(item.message, item.mac, item.key_version or None) for item in message.items],
    )


def mac_computed(result: ComputedMac, _message: Mac) -> bytes:
    return encode_result(result, "algorithm", mac=encode_base64(result.mac))


def mac_verified(result: Verification, _message: VerifyMac) -> bytes:
    return encode_result(result, "algorithm", valid=result.is_valid)


@extend_schema_field({"type": "object", "additionalProperties": True})
class _ObjectField(serializers.Field[dict[str, Any], Any, dict[str, Any], dict[str, Any]]):
    """Any JSON object, unchanged."""

    default_error_messages = {"invalid": "Expected an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


# Undecoded: only ``strict_json`` is as strict as the REST interface.
type _Object = Annotated[msgspec.Raw, Rest(_ObjectField)]


class SignJwt(RequestBody, frozen=True):
    key_id: KeyText
    claims: _Object
    header: Annotated[_Object, Rest(help_text="typ, cty and private members")] | UnsetType = UNSET
    signing_algorithm: (
        Annotated[SigningModeName, Rest(help_text="the key's default one unless given")] | UnsetType
    ) = UNSET
    fully_specified: (
        Annotated[
            bool,
            Rest(
                serializers.BooleanField,
                default=False,
                help_text="the names of RFC 9864 as alg: Ed25519 and Ed448 instead of EdDSA",
            ),
        ]
        | UnsetType
    ) = UNSET

    @property
    def quotes(self) -> int:
        texts = 4 + 4 * (self.signing_algorithm is not UNSET) + 2 * (self.fully_specified is not UNSET)
        objects = [each for each in (self.claims, self.header) if each is not UNSET]
        return texts + sum(2 + bytes(each).count(b'"') for each in objects)


def jwt_request(message: SignJwt) -> JwtRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return JwtRequest(
        key_id=references.parse(message.key_id),
        payload=payload_of(_object_of(message.claims)),
        header={} if message.header is UNSET else header_of(_object_of(message.header)),
        mode=None if message.signing_algorithm is UNSET else find_signing_mode(message.signing_algorithm),
        fully_specified=message.fully_specified is True,
    )


def _object_of(raw: msgspec.Raw) -> dict[str, Any]:
    # As a member, because the nesting of the body is limited.
    body: Any = strict_json.loads(b'{"member":' + bytes(raw) + b"}")
    found = body["member"]
    if not isinstance(found, dict):
        raise Invalid("Expected an object.")
    return found


def jwt_signed(result: SignedJwt, _message: SignJwt) -> bytes:
    return encode_result(result, "signing_algorithm", jwt=result.jwt, kid=result.kid)
