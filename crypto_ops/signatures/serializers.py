"""Serializers of certificate signing requests, and of the responses with signatures, MACs and JWTs."""

from typing import Any

from rest_framework import serializers

from crypto_ops.items.serializers import batch_serializer, item_serializer
from crypto_ops.requests import MAX_MAC_BYTES, MAX_SIGNATURE_BYTES
from kernel.crypto.asymmetric.certificate_requests import RequestedNames
from kernel.crypto.modes import find_signing_mode
from kernel.rest.fields import Base64Field, LabelField, MacModeField, SigningModeField, StrictSerializer


class SignatureSerializer(serializers.Serializer[Any]):
    signature = Base64Field(max_bytes=MAX_SIGNATURE_BYTES)
    signing_algorithm = SigningModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class VerificationSerializer(serializers.Serializer[Any]):
    """``key_version``: the version that signed, or the one of the request; null if no version signed this."""

    valid = serializers.BooleanField()
    signing_algorithm = SigningModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(allow_null=True)


_VerifiedItemSerializer = item_serializer("VerifiedItem", "valid", serializers.BooleanField)

SignedBatchSerializer = batch_serializer(
    "SignedBatch",
    item_serializer("SignedItem", "signature"),
    has_version=True,
    signing_algorithm=SigningModeField(),
)
VerifiedBatchSerializer = batch_serializer(
    "VerifiedBatch", _VerifiedItemSerializer, signing_algorithm=SigningModeField()
)
ComputedMacBatchSerializer = batch_serializer(
    "ComputedMacBatch", item_serializer("ComputedItem", "mac"), has_version=True, algorithm=MacModeField()
)
VerifiedMacBatchSerializer = batch_serializer(
    "VerifiedMacBatch", _VerifiedItemSerializer, algorithm=MacModeField()
)


class ComputedMacSerializer(serializers.Serializer[Any]):
    mac = Base64Field(max_bytes=MAX_MAC_BYTES)
    algorithm = MacModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class MacVerificationSerializer(serializers.Serializer[Any]):
    """``key_version``: the version that computed the MAC, or the one of the request; null if none did."""

    valid = serializers.BooleanField()
    algorithm = MacModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(allow_null=True)


class SignedJwtSerializer(serializers.Serializer[Any]):
    jwt = serializers.CharField(help_text="RFC 7515, compact")
    kid = serializers.CharField(help_text="of the JWK of the version")
    signing_algorithm = SigningModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


_MAX_SUBJECT = 500
_MAX_NAMES = 100
_MAX_NAME = 253


class CsrSerializer(StrictSerializer):
    subject = LabelField(max_length=_MAX_SUBJECT, help_text="RFC 4514, such as CN=www.example.org,O=Example")
    san = serializers.ListField(
        child=LabelField(max_length=_MAX_NAME),
        max_length=_MAX_NAMES,
        required=False,
        help_text="DNS names, IP addresses, e-mail addresses and URIs",
    )
    signing_algorithm = SigningModeField(
        max_length=50, required=False, help_text="the key's default one unless given"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.get("signing_algorithm")
        return {
            "names": RequestedNames.parse(attrs["subject"], attrs.get("san", [])),
            "mode": None if name is None else find_signing_mode(name),
        }


class SignedCsrSerializer(serializers.Serializer[Any]):
    pem = serializers.CharField(help_text="PKCS #10")
    signing_algorithm = SigningModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
