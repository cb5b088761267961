"""REST serializers for keys. They check types and lengths only; the services validate values."""

from datetime import datetime
from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.clock import process_now
from kernel.crypto.algorithms import KEY_ALGORITHM_ALIASES, KEY_ALGORITHMS
from kernel.identities import IdentityType
from kernel.labels import MAX_REASON
from kernel.rest.fields import (
    ChoiceField,
    KeyAlgorithmField,
    LabelField,
    StrictSerializer,
    TimestampField,
)
from kernel.rest.paging import PageQuery
from keys import capabilities, metadata
from keys.lifecycle import Origin, State, Status, VersionState
from keys.metadata import (
    MAX_TAG,
)
from keys.models import Key

MAX_KEY_SIZE = max(kind.key_size for kind in KEY_ALGORITHMS)
_ORDERINGS = tuple(
    sign + column for column in ("name", "created_at", "expires_at", "algorithm") for sign in ("", "-")
)


@extend_schema_field({"type": "string", "enum": list(metadata.STORED_ALGORITHMS)})
class StoredAlgorithmField(KeyAlgorithmField):
    """Of a key in responses, which may be a transit key."""


@extend_schema_field({"type": "string", "enum": [*metadata.STORED_ALGORITHMS, *KEY_ALGORITHM_ALIASES]})
class _AlgorithmFilterField(KeyAlgorithmField):
    pass


class KeyQuerySerializer(PageQuery):
    name = serializers.CharField(required=False, max_length=64, help_text="exact match of the whole name")
    algorithm = _AlgorithmFilterField(required=False, max_length=50)
    purpose = ChoiceField(required=False, choices=metadata.STORED_PURPOSES)
    status = ChoiceField(required=False, choices=list(Status))
    tag = serializers.CharField(required=False, max_length=MAX_TAG, trim_whitespace=False)
    search = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="each word must occur in the name, the description or a tag",
    )
    policy_id = serializers.UUIDField(required=False)
    expires_before = TimestampField(required=False)
    ordering = ChoiceField(required=False, choices=_ORDERINGS)


class ReasonSerializer(StrictSerializer):
    reason = LabelField(max_length=MAX_REASON)


class KeySerializer(serializers.Serializer[Key]):
    """A key as shown to everyone who may see it. There is no field for its material."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    algorithm = StoredAlgorithmField()
    key_size = serializers.IntegerField(help_text="in bits")
    purpose = serializers.CharField()
    modes = serializers.ListField(
        source="protecting_modes",
        child=serializers.CharField(),
        help_text="the modes or signing algorithms of its operations; the first is the default",
    )
    status = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    primary_version = serializers.IntegerField()
    versions_count = serializers.IntegerField()
    tags = serializers.ListField(child=serializers.CharField())
    created_at = TimestampField()
    created_by = serializers.UUIDField(
        source="created_by_id", allow_null=True, help_text="the id of the owner, if it is a user"
    )
    owner_type = ChoiceField(source="owner.type", choices=list(IdentityType))
    owner_id = serializers.UUIDField(
        source="owner.id", allow_null=True, help_text="null if the system created the key"
    )
    activates_at = TimestampField(allow_null=True)
    expires_at = TimestampField(allow_null=True)
    resumes_at = TimestampField(
        allow_null=True, help_text="when a key that is disabled for a limited time enables itself"
    )
    rotation_period_days = serializers.IntegerField(allow_null=True)
    next_rotation_at = TimestampField(allow_null=True)
    policy_id = serializers.UUIDField(allow_null=True)
    exportable = serializers.BooleanField()
    origin = ChoiceField(
        choices=list(Origin), help_text="of version 1; public_key: only the public key was imported"
    )
    min_decryption_version = serializers.IntegerField(help_text="earlier versions do not decrypt or verify")
    deletion_protection = serializers.BooleanField()
    deletion_at = TimestampField(allow_null=True, help_text="when the material is or was destroyed")
    successor_id = serializers.UUIDField(allow_null=True)
    operations = serializers.SerializerMethodField(help_text="allowed operations")

    @cached_property
    def now(self) -> datetime:
        """The same time for every key of a response."""
        return process_now()

    def get_status(self, key: Key) -> Status:
        return key.lifecycle_state(self.now).status

    def get_state(self, key: Key) -> State:
        return key.lifecycle_state(self.now).state

    def get_operations(self, key: Key) -> list[str]:
        return capabilities.operations(key, key.lifecycle_state(self.now).state)


class KeyVersionSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    state = ChoiceField(choices=list(VersionState))
    is_primary = serializers.BooleanField()
    created_at = TimestampField()
    destruction_at = TimestampField(allow_null=True, help_text="when the material is or was destroyed")
