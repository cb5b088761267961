"""Serializers of derived keys."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.derivations import (
    HKDF,
    MAX_BITS,
    MAX_CONTEXT_BYTES,
    MIN_BITS,
    require_context,
    size_of,
)
from kernel.rest import Base64Field, ChoiceField, StrictSerializer
from keys.reading.rest_references import KeyReferenceField, VersionField


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
