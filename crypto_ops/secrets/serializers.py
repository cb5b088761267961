"""Serializers of data keys, derived keys and shared secrets."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.requests import MAX_AAD_BYTES, MAX_KEM_CIPHERTEXT_BYTES, MAX_PUBLIC_KEY_BYTES
from crypto_ops.secrets.services.data_keys import BITS, DEFAULT_BITS, KEY_PAIRS, contents_of
from crypto_ops.secrets.services.derivations import (
    HKDF,
    MAX_BITS,
    MAX_CONTEXT_BYTES,
    MIN_BITS,
    require_context,
    size_of,
)
from kernel.crypto.modes import find_sealing_mode
from kernel.rest.fields import (
    Base64Field,
    ChoiceField,
    ModeField,
    PublicKeyField,
    SecretModeField,
    StrictSerializer,
)
from keys.reading.rest_references import KeyReferenceField, VersionField


@extend_schema_field({"type": "integer", "enum": list(BITS)})
class BitsField(serializers.IntegerField):
    """The size of a data key. ``contents_of`` rejects another one."""


@extend_schema_field({"type": "string", "enum": list(KEY_PAIRS)})
class KeyPairField(serializers.CharField):
    """The key algorithm of a pair. ``contents_of`` rejects an unknown one with a specific error code."""


class DataKeySerializer(StrictSerializer):
    """A random key of ``bits``, or with ``key_pair`` a private key and its public key."""

    key_id = KeyReferenceField()
    bits = BitsField(required=False, help_text=f"{DEFAULT_BITS} unless given; not with key_pair")
    key_pair = KeyPairField(max_length=50, required=False)
    algorithm = ModeField(max_length=50, required=False, help_text="the key's default mode unless given")
    aad = Base64Field(max_bytes=MAX_AAD_BYTES, required=False)
    plaintext = serializers.BooleanField(
        required=False, help_text="whether the answer contains the plaintext; true unless given"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        mode = find_sealing_mode(attrs["algorithm"]) if "algorithm" in attrs else None
        return {**attrs, "mode": mode, "contents": contents_of(attrs.get("bits"), attrs.get("key_pair"))}


class GeneratedDataKeySerializer(serializers.Serializer[Any]):
    """``plaintext`` and ``ciphertext`` are those of the key, or of the private key as PKCS #8 in DER."""

    ciphertext = serializers.CharField(help_text="self-describing; opens with decrypt and the same aad")
    algorithm = ModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    bits = BitsField(required=False)
    key_pair = KeyPairField(required=False)
    public_key = serializers.CharField(required=False, help_text="SubjectPublicKeyInfo, DER in base64")
    plaintext = serializers.CharField(required=False, help_text="base64")


@extend_schema_field({"type": "integer", "minimum": MIN_BITS, "maximum": MAX_BITS, "multipleOf": 8})
class DerivedBitsField(serializers.IntegerField):
    """The size of a derived key. ``size_of`` rejects another one."""


class DeriveSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    context = Base64Field(  # type: ignore[assignment]  # DRF takes declared fields off the class
        max_bytes=MAX_CONTEXT_BYTES, help_text="identifies the derived key; at least one byte"
    )
    bits = DerivedBitsField()
    key_version = VersionField(required=False, help_text="the primary version unless given")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, "context": require_context(attrs["context"]), "size": size_of(attrs["bits"])}


class DerivedKeySerializer(serializers.Serializer[Any]):
    derived = Base64Field(max_bytes=MAX_BITS // 8)
    algorithm = ChoiceField([HKDF.name], source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


MAX_SECRET_BYTES = 66  # of ec-p521


class EncapsulateSerializer(StrictSerializer):
    key_id = KeyReferenceField()


class DecapsulateSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    key_version = VersionField(
        help_text="required: with a wrong version, the secret is another one, without an error",
    )
    ciphertext = Base64Field(max_bytes=MAX_KEM_CIPHERTEXT_BYTES)


class AgreeSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    public_key = PublicKeyField(
        max_bytes=MAX_PUBLIC_KEY_BYTES,
        help_text="of the other party: SubjectPublicKeyInfo, DER in base64 or PEM",
    )
    key_version = VersionField(
        required=False,
        help_text="an earlier version, for a secret that was shared with it; the primary version by default",
    )


class SharedSecretSerializer(serializers.Serializer[Any]):
    shared_secret = Base64Field(source="secret", max_bytes=MAX_SECRET_BYTES)
    algorithm = SecretModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class EncapsulatedSerializer(SharedSecretSerializer):
    """``ciphertext`` is for the owner of the key, who gets the same secret from it."""

    ciphertext = Base64Field(max_bytes=MAX_KEM_CIPHERTEXT_BYTES)
