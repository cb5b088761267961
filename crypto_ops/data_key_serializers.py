"""Serializers of data keys."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.data_keys import BITS, DEFAULT_BITS, KEY_PAIRS, contents_of
from crypto_ops.requests import MAX_AAD_BYTES
from kernel.crypto.modes import find_sealing_mode
from kernel.rest import Base64Field, ModeField, StrictSerializer
from keys.reading.rest_references import KeyReferenceField


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
