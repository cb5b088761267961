"""Serializers, which map the specification's field names (``data``, ``encrypted_data``) to the domain's."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.requests import MAX_AAD_BYTES, MAX_ITEMS, MAX_RANDOM_BYTES, MAX_REFERENCE, MAX_TAG_BYTES
from kernel.crypto import envelope
from kernel.crypto.envelope import Envelope
from kernel.crypto.modes import SealingMode, find_sealing_mode
from kernel.rest.fields import Base64Field, ChoiceField, ModeField, StrictSerializer
from kernel.rest.schema import ProblemMembersSerializer
from keys.reading.rest_references import KeyReferenceField, VersionField

PARTS = ("encrypted_data", "iv", "tag")
SPLIT_FORM = (*PARTS, "key_id", "algorithm")


MODE_WORDS = {
    "aes-256-gcm": "gcm",
    "aes-128-gcm": "gcm",
    "aes-256-gcm-siv": "gcm-siv",
    "chacha20-poly1305": "poly1305",
    "aes-256-cbc-hmac-sha512": "cbc",
    "aes-256-siv": "siv",
}


@extend_schema_field({"type": "string", "maxLength": settings.CC_MAX_BODY_BYTES})
class CiphertextField(serializers.Field[Envelope, Any, str, Envelope]):
    """A self-describing ciphertext. Raises MalformedCiphertext, which has its own error code."""

    default_error_messages = {"invalid": "Expected a string."}

    def to_internal_value(self, data: Any) -> Envelope:
        if not isinstance(data, str):
            self.fail("invalid")
        return envelope.decode(data, max_length=settings.CC_MAX_BODY_BYTES)

    def to_representation(self, value: Envelope) -> str:
        return envelope.encode(value)


def unused_parts(mode: SealingMode) -> Sequence[str]:
    """The parts that a ciphertext in this mode does not have."""
    return [name for name, size in (("iv", mode.iv_size), ("tag", mode.tag_size)) if not size]


def missing_parts(names: Sequence[str], sent: Mapping[str, Any]) -> dict[str, list[str]]:
    """The error of each part of a ciphertext that was not sent."""
    return {name: ["Send this field, or send ciphertext instead."] for name in names if name not in sent}


class TextField(serializers.CharField):
    """A text, unchanged."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **kwargs)


class OptionsSerializer(StrictSerializer):
    """Accepted if they agree with the algorithm; padding exists only in CBC."""

    mode = ChoiceField(sorted(set(MODE_WORDS.values())), required=False)
    padding = ChoiceField(["pkcs7"], required=False)


class EncryptSerializer(StrictSerializer):
    algorithm = ModeField(max_length=50)
    data = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES)  # type: ignore[assignment]  # DRF takes declared fields off the class
    key_id = KeyReferenceField(required=False)
    key_version = VersionField(required=False)
    options = OptionsSerializer(required=False)
    aad = Base64Field(max_bytes=MAX_AAD_BYTES, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        mode = find_sealing_mode(attrs["algorithm"])
        word = attrs.get("options", {}).get("mode")
        if mode.is_public_key and attrs.get("options"):
            raise serializers.ValidationError({"options": [f"{mode.name} has no options. Omit this field."]})
        if word and word != MODE_WORDS[mode.name]:
            raise serializers.ValidationError(
                {"options": {"mode": [f"Conflicts with {mode.name}. Omit this field."]}}
            )
        return {**attrs, "mode": mode}


class DecryptSerializer(StrictSerializer):
    """Either ``ciphertext``, or the parts from the response of encrypt (with ``key_version`` if known).

    Modes without ``iv`` or ``tag`` do not require them.
    """

    ciphertext = CiphertextField(required=False)
    encrypted_data = Base64Field(max_bytes=settings.CC_MAX_BODY_BYTES, required=False)
    iv = Base64Field(max_bytes=MAX_TAG_BYTES, required=False)
    tag = Base64Field(max_bytes=MAX_TAG_BYTES, required=False)
    key_id = KeyReferenceField(required=False)
    algorithm = ModeField(max_length=50, required=False)
    key_version = VersionField(required=False)
    aad = Base64Field(max_bytes=MAX_AAD_BYTES, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        split = [name for name in (*SPLIT_FORM, "key_version") if name in attrs]
        if "ciphertext" in attrs:
            extra = {name: ["Omit this field. The ciphertext already contains it."] for name in split}
            if extra:
                raise serializers.ValidationError(extra)
            return attrs
        mode = find_sealing_mode(attrs["algorithm"]) if "algorithm" in attrs else None
        if mode is not None:
            attrs = dict.fromkeys(unused_parts(mode), b"") | attrs
        if missing := missing_parts(SPLIT_FORM, attrs):
            raise serializers.ValidationError(missing)
        return {**attrs, "mode": mode}


class EncryptItemSerializer(StrictSerializer):
    """``data`` and ``aad`` in base64. An item that cannot be decoded does not affect the others."""

    data = TextField()  # type: ignore[assignment]  # DRF takes declared fields off the class
    aad = TextField(required=False)
    reference = TextField(max_length=MAX_REFERENCE, required=False)


class DecryptItemSerializer(StrictSerializer):
    """Either ``ciphertext``, or ``encrypted_data``, ``iv`` and ``tag`` (with ``key_version`` if known).

    Modes without ``iv`` or ``tag`` do not require them.
    """

    ciphertext = TextField(required=False)
    encrypted_data = TextField(required=False)
    iv = TextField(required=False)
    tag = TextField(required=False)
    key_version = VersionField(required=False)
    aad = TextField(required=False)
    reference = TextField(max_length=MAX_REFERENCE, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        extra = [name for name in (*PARTS, "key_version") if name in attrs]
        if extra and "ciphertext" in attrs:
            raise serializers.ValidationError(
                {name: ["Omit this field. The ciphertext already contains it."] for name in extra}
            )
        return attrs


class EncryptBatchSerializer(StrictSerializer):
    algorithm = ModeField(max_length=50)
    key_id = KeyReferenceField(required=False)
    key_version = VersionField(required=False)
    items = serializers.ListField(child=EncryptItemSerializer(), min_length=1, max_length=MAX_ITEMS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, "mode": find_sealing_mode(attrs["algorithm"])}


class DecryptBatchSerializer(StrictSerializer):
    algorithm = ModeField(max_length=50)
    key_id = KeyReferenceField()
    items = serializers.ListField(child=DecryptItemSerializer(), min_length=1, max_length=MAX_ITEMS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The algorithm of the batch determines the parts of each item."""
        mode = find_sealing_mode(attrs["algorithm"])
        unused = dict.fromkeys(unused_parts(mode), "")
        items = [item if "ciphertext" in item else unused | item for item in attrs["items"]]
        missing = {
            str(index): missing_parts(PARTS, item)
            for index, item in enumerate(items)
            if "ciphertext" not in item
        }
        if wrong := {index: errors for index, errors in missing.items() if errors}:
            raise serializers.ValidationError({"items": wrong})
        return {**attrs, "items": items, "mode": mode}


class InspectSerializer(StrictSerializer):
    ciphertext = CiphertextField()


class RandomSerializer(StrictSerializer):
    bytes = serializers.IntegerField(min_value=1, max_value=MAX_RANDOM_BYTES)
    format = ChoiceField(["base64", "hex"], default="base64")


class EncryptedSerializer(serializers.Serializer[Envelope]):
    """The specification's parts, the version, and the self-describing ciphertext."""

    encrypted_data = Base64Field(max_bytes=settings.CC_MAX_BODY_BYTES, source="sealed.ciphertext")
    iv = Base64Field(max_bytes=MAX_TAG_BYTES, source="sealed.iv")
    tag = Base64Field(max_bytes=MAX_TAG_BYTES, source="sealed.tag")
    algorithm = ModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(source="version")
    ciphertext = CiphertextField(source="*")


class DecryptedSerializer(serializers.Serializer[Any]):
    data = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES, source="plaintext")  # type: ignore[assignment]  # DRF takes declared fields off the class
    algorithm = ModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class EncryptedItemSerializer(serializers.Serializer[Any]):
    """``ciphertext``, or the ``problem`` of this item alone."""

    ciphertext = serializers.CharField(required=False)
    problem = ProblemMembersSerializer(required=False)
    reference = serializers.CharField(required=False)


class DecryptedItemSerializer(serializers.Serializer[Any]):
    """``data``, or the ``problem`` of this item alone."""

    data = serializers.CharField(required=False)  # type: ignore[assignment]  # DRF takes declared fields off the class
    problem = ProblemMembersSerializer(required=False)
    reference = serializers.CharField(required=False)


class EncryptedBatchSerializer(serializers.Serializer[Any]):
    algorithm = ModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    results = EncryptedItemSerializer(many=True)


class DecryptedBatchSerializer(serializers.Serializer[Any]):
    algorithm = ModeField()
    key_id = serializers.UUIDField()
    results = DecryptedItemSerializer(many=True)


class InspectionSerializer(serializers.Serializer[Any]):
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    algorithm = ModeField()
    state = serializers.CharField()
    status = serializers.CharField()
    version_state = serializers.CharField()
    may_decrypt = serializers.BooleanField()


class GeneratedSerializer(serializers.Serializer[Any]):
    data = serializers.CharField()  # type: ignore[assignment]  # DRF takes declared fields off the class
    bytes = serializers.IntegerField()
    format = serializers.CharField()
