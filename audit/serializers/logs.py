from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.browse.selection import MAX_WORDS
from audit.log import canonical
from audit.log.entries import ENTRY_FIELDS, TRAIL_FIELDS
from audit.log.events import TEXT_LIMITS, ActorType, Outcome, Source
from audit.log.operations import OPERATION
from audit.models import AuditLog, AuditReceipt, AuditTrail, Integrity
from audit.tlog.checkpoint import MAX_SIZE
from audit.tlog.merkle import HASH_SIZE
from audit.verification.findings import Result
from kernel.http.addresses import canonical_address
from kernel.rest.fields import Base64Field, ChoiceField, StrictSerializer, TimestampField

type _Fields = dict[str, serializers.Field[Any, Any, Any, Any]]


class _KeysetQuerySerializer(StrictSerializer):
    """``before`` (an id) and ``limit`` replace page numbers; ``from`` <= time < ``to``."""

    before = serializers.IntegerField(min_value=1, max_value=canonical.MAX_INTEGER, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    actor = serializers.CharField(
        max_length=TEXT_LIMITS["actor_name"],
        required=False,
        help_text="The name or the ID of a user or service account.",
    )

    def get_fields(self) -> _Fields:
        # "from" is a Python keyword, so it cannot be declared above.
        times: _Fields = {
            "from": TimestampField(required=False, source="since"),
            "to": TimestampField(required=False, source="until"),
        }
        return super().get_fields() | times

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "since" in attrs and "until" in attrs and attrs["since"] > attrs["until"]:
            raise serializers.ValidationError({"to": ["The time must not be before from."]})
        return attrs


class LogQuerySerializer(_KeysetQuerySerializer):
    actor_type = ChoiceField(choices=[word.value for word in ActorType], required=False)
    action = serializers.CharField(
        max_length=TEXT_LIMITS["action"],
        required=False,
        help_text=f"An action, the first words of its label, or {OPERATION} for every cryptographic operation with a key.",
    )
    object = serializers.CharField(
        max_length=TEXT_LIMITS["object_id"],
        required=False,
        source="object_id",
        help_text="The ID of the object, or the name of a key or user that you can see.",
    )
    outcome = ChoiceField(choices=[word.value for word in Outcome], required=False)
    request_id = serializers.CharField(max_length=TEXT_LIMITS["request_id"], required=False)
    client_ip = serializers.CharField(
        max_length=TEXT_LIMITS["client_ip"], required=False, help_text="An IP address, in any notation."
    )
    search = serializers.CharField(
        max_length=200,
        required=False,
        help_text=f"At most {MAX_WORDS} words. Each must occur in the entry, or begin a part of the name of its key or user.",
    )

    def validate_client_ip(self, given: str) -> str:
        address = canonical_address(given)
        if not address:
            raise serializers.ValidationError("Enter an IP address.")
        return address

    def get_fields(self) -> _Fields:
        # "source" has another meaning in the class of every serializer.
        choices = [word.value for word in Source]
        return super().get_fields() | {"source": ChoiceField(choices=choices, required=False)}


class TrailQuerySerializer(_KeysetQuerySerializer):
    table = serializers.CharField(max_length=50, required=False, source="table_name")
    record = serializers.CharField(max_length=100, required=False, source="record_id")


class _FoundRowSerializer[M: (AuditLog, AuditTrail)](serializers.ModelSerializer[M]):
    """The columns of a row and its ``integrity``. The declared fields define the schema. Responses contain the verified
    values, spelled as they are hashed.
    """

    integrity = ChoiceField(
        choices=[word.value for word in Integrity],
        read_only=True,
        help_text="verified: the row matches its leaf and its MAC. pending: a changed row whose entry is not sequenced yet. "
        "altered: it was changed in the database, outside the application.",
    )

    def to_representation(self, instance: M) -> dict[str, object]:
        return {**instance.found, "integrity": instance.integrity}


class LogEntrySerializer(_FoundRowSerializer[AuditLog]):
    """The columns of ``audit_logs``.

    ``meta`` is the exact text that is hashed. Otherwise everyone who checks a proof would have to restore the canonical
    form. ``mac`` is evidence, not a secret.
    """

    timestamp = TimestampField(read_only=True)

    class Meta:
        model = AuditLog
        fields = (*ENTRY_FIELDS, "mac", "integrity")
        read_only_fields = fields


_SCALARS = [{"type": kind} for kind in ("string", "integer", "boolean", "null")]
_MEMBERS = [
    *_SCALARS,
    {"type": "array", "items": {"oneOf": _SCALARS}},
    {"type": "object", "additionalProperties": {"oneOf": _SCALARS}},
]


@extend_schema_field({"type": "object", "additionalProperties": {"oneOf": _MEMBERS}})
class _RowValuesField(serializers.JSONField):
    """The declared columns of a row; null if the row did not or does not exist."""


class ChangedRowSerializer(_FoundRowSerializer[AuditTrail]):
    """The columns of ``audit_trail``."""

    old_values = _RowValuesField(read_only=True, allow_null=True)
    new_values = _RowValuesField(read_only=True, allow_null=True)
    changed_at = TimestampField(read_only=True)

    class Meta:
        model = AuditTrail
        fields = (*TRAIL_FIELDS, "integrity")
        read_only_fields = fields


class _KeysetPageSerializer(serializers.Serializer[Any]):
    """Newest first. ``count`` is exact up to 1,000; ``next`` leads to older rows."""

    count = serializers.IntegerField()
    count_is_exact = serializers.BooleanField()
    limit = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class LogPageSerializer(_KeysetPageSerializer):
    """``searched_above`` is the id where a search stopped, null if nothing is left to read. ``next`` continues it."""

    searched_above = serializers.IntegerField(allow_null=True)
    archived_until = TimestampField(
        allow_null=True,
        help_text="Successful operations up to this time are in the archive: an export with the same filters contains them. "
        "null if the filters match none, or if there is no archive.",
    )
    results = LogEntrySerializer(many=True)


class TrailPageSerializer(_KeysetPageSerializer):
    results = ChangedRowSerializer(many=True)


class CheckpointQuerySerializer(StrictSerializer):
    size = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SIZE,
        required=False,
        help_text="The size of a stored checkpoint. The default is the latest checkpoint.",
    )


class ConsistencyQuerySerializer(StrictSerializer):
    """Sizes of the tree. ``to`` defaults to the size of the newest checkpoint."""

    def get_fields(self) -> _Fields:
        # "from" is a Python keyword, so it cannot be declared above.
        bounds: dict[str, Any] = {"min_value": 1, "max_value": MAX_SIZE}
        return {
            "from": serializers.IntegerField(source="first", **bounds),
            "to": serializers.IntegerField(source="second", required=False, **bounds),
        }


class InclusionProofSerializer(serializers.Serializer[Any]):
    """``proof`` is a C2SP tlog-proof: with a pinned key, the file proves the entry that it contains. The UTF-8 bytes of
    ``entry`` are what was hashed.
    """

    index = serializers.IntegerField()
    size = serializers.IntegerField(help_text="The number of entries in the checkpoint tree.")
    leaf_hash = Base64Field(max_bytes=HASH_SIZE)
    entry = serializers.CharField()
    proof = serializers.CharField(source="text")


class ConsistencyProofSerializer(serializers.Serializer[Any]):
    hashes = serializers.ListField(child=Base64Field(max_bytes=HASH_SIZE))

    def get_fields(self) -> _Fields:
        sizes: _Fields = {
            "from": serializers.IntegerField(source="first"),
            "to": serializers.IntegerField(source="second"),
        }
        return sizes | super().get_fields()


class ReceiptSerializer(serializers.ModelSerializer[AuditReceipt]):
    anchored_at = TimestampField(read_only=True)

    class Meta:
        model = AuditReceipt
        fields = ("anchor", "receipt", "anchored_at")
        read_only_fields = fields


class _VerificationSerializer(serializers.Serializer[Any]):
    """``ended_at`` is null if its record has no readable time. ``result`` is null if its record was altered."""

    ended_at = TimestampField(allow_null=True)
    result = ChoiceField(choices=[word.value for word in Result], allow_null=True)
    entries = serializers.IntegerField(allow_null=True)
    findings = serializers.IntegerField(allow_null=True)


class _VerificationsSerializer(serializers.Serializer[Any]):
    """The last run of ``verify_audit_log``, and the last full pass of the continuous verification."""

    full = _VerificationSerializer(allow_null=True)
    last_pass = _VerificationSerializer(allow_null=True)
    percent = serializers.IntegerField(
        allow_null=True,
        help_text="How far the current pass is; 100 until the next one begins, null before the first.",
    )


class CheckpointSerializer(serializers.Serializer[Any]):
    """``note`` is the signed C2SP checkpoint, with the cosignatures of witnesses. ``pending`` entries are not yet sequenced. The
    oldest of them is ``lag_seconds`` old, rounded down. ``verifications`` is null for readers of their own entries.
    """

    origin = serializers.CharField(source="checkpoint.origin")
    size = serializers.IntegerField(source="checkpoint.size")
    root = Base64Field(  # type: ignore[assignment]  # DRF takes declared fields off the class
        max_bytes=HASH_SIZE, source="checkpoint.root"
    )
    signed_at = TimestampField(source="row.signed_at")
    note = serializers.CharField()
    witnessed_size = serializers.IntegerField(
        allow_null=True, help_text="The size of the newest checkpoint that enough witnesses cosigned."
    )
    receipts = ReceiptSerializer(many=True)
    pending = serializers.IntegerField(source="lag.pending")
    lag_seconds = serializers.IntegerField(source="lag.seconds")
    verifications = _VerificationsSerializer(allow_null=True)
