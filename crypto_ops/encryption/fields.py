"""Fields of messages that name their key, or their format."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.crypto.sealing import envelope, foreign
from kernel.crypto.sealing.envelope import Envelope


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


class MessageField(CiphertextField):
    """As ``CiphertextField``, or a Fernet token, which ``decrypt_request`` reads."""

    def to_internal_value(self, data: Any) -> Any:
        return data if isinstance(data, str) and foreign.is_token(data) else super().to_internal_value(data)
