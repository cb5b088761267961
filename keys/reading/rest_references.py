"""Field and base view for REST requests that accept a key's ID or name."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.principals import Principal
from kernel.errors import Invalid
from kernel.http.context import set_audit_object
from kernel.rest.views import ApiView
from keys.metadata import MAX_VERSION
from keys.reading import services
from keys.references import EXPECTED, MAX_LENGTH, PATTERN, KeyReference, parse


@extend_schema_field(
    {
        "type": "string",
        "pattern": f"^{PATTERN}$",
        "maxLength": MAX_LENGTH,
        "description": "The key ID, `name:` followed by the key name, or `vault:MOUNT/NAME` of a transit key.",
    }
)
class KeyReferenceField(serializers.Field[KeyReference, Any, str, KeyReference]):
    """A key by its ID, or by a name with its prefix."""

    default_error_messages = {"invalid": EXPECTED}

    def to_internal_value(self, data: Any) -> KeyReference:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return parse(data)
        except Invalid:
            self.fail("invalid")

    def to_representation(self, value: KeyReference) -> str:
        return str(value)


class VersionField(serializers.IntegerField):
    """From 1. Whether the key has this version is checked later."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_VERSION, **kwargs)


class KeyReferenceView(ApiView[Principal]):
    """Base class of views that accept a key's ID or name."""

    def key_id_of(self, reference: KeyReference) -> UUID:
        """The ID, which is set as the object of the request. Raises NotFound for a name that no visible key has."""
        set_audit_object(self.request, "key", str(reference))
        key_id = services.id_of_key(principal=self.principal, reference=reference)
        set_audit_object(self.request, "key", str(key_id))
        return key_id
