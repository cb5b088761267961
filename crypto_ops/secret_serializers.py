"""Serializers of shared secrets."""

from typing import Any

from rest_framework import serializers

from crypto_ops.requests import MAX_KEM_CIPHERTEXT_BYTES, MAX_PUBLIC_KEY_BYTES
from kernel.rest import Base64Field, PublicKeyField, SecretModeField, StrictSerializer
from keys.reading.rest_references import KeyReferenceField, VersionField

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
