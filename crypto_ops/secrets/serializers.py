"""Serializers of the responses with data keys, derived keys, shared secrets and random bytes."""

from typing import Any

from rest_framework import serializers

from crypto_ops.requests import MAX_KEM_CIPHERTEXT_BYTES, MAX_RANDOM_BYTES
from crypto_ops.secrets.services.derivations import HKDF, MAX_BITS
from crypto_ops.secrets.wire import BitsField, KeyPairField
from kernel.rest.fields import Base64Field, ChoiceField, ModeField, SecretModeField, StrictSerializer


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


class DerivedKeySerializer(serializers.Serializer[Any]):
    derived = Base64Field(max_bytes=MAX_BITS // 8)
    algorithm = ChoiceField([HKDF.name])
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


_MAX_SECRET_BYTES = 66  # of ec-p521


class SharedSecretSerializer(serializers.Serializer[Any]):
    shared_secret = Base64Field(max_bytes=_MAX_SECRET_BYTES)
    algorithm = SecretModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class EncapsulatedSerializer(SharedSecretSerializer):
    """``ciphertext`` is for the owner of the key, who gets the same secret from it."""

    ciphertext = Base64Field(max_bytes=MAX_KEM_CIPHERTEXT_BYTES)


class RandomSerializer(StrictSerializer):
    bytes = serializers.IntegerField(min_value=1, max_value=MAX_RANDOM_BYTES)
    format = ChoiceField(["base64", "hex"], default="base64")


class GeneratedSerializer(serializers.Serializer[Any]):
    data = serializers.CharField()  # type: ignore[assignment]  # DRF takes declared fields off the class
    bytes = serializers.IntegerField()
    format = serializers.CharField()
