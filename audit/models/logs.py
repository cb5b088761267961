"""The tables of the log. Rows of ``audit_logs`` and ``audit_trail`` are inserted once and never changed. Triggers
reject everything else (``audit.log.triggers``). There is no foreign key, so that history outlives its objects.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, Self

from django.db import models
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from audit.log import action_labels
from audit.log.canonical import MAX_INTEGER
from audit.log.events import TEXT_LIMITS, ActorType, Outcome, Source
from audit.models.hashed import HashedTextField, HashedUUIDField, HashOf
from audit.tlog.tiles import WIDTH as MOST
from kernel.databases.rows import is_of
from kernel.identities import Identity
from kernel.rules import PermissionScope

READ_PERMISSION = "audit.read"


class Integrity(StrEnum):
    """Whether a displayed row is what the application wrote."""

    VERIFIED = "verified"
    PENDING = "pending"  # a changed row whose entry is authentic, and not a row of the log yet
    ALTERED = "altered"


class Reader(Protocol):
    """A caller who reads the log."""

    @property
    def identity(self) -> Identity: ...
    def scope(self, word: str) -> PermissionScope:
        """Raises Denied without the permission."""
        ...


class AuditLogQuerySet(models.QuerySet["AuditLog"]):
    def visible_to(self, reader: Reader) -> Self:
        """All entries, or those of the reader's own actions. Raises Denied."""
        if reader.scope(READ_PERMISSION) == "all":
            return self
        return self.filter(is_of(reader.identity, user="user_id"))

    def with_entry(self, log_id: int | Combinable) -> Self:
        """The row that has this entry."""
        if isinstance(log_id, int) and abs(log_id) > MAX_INTEGER:
            return self.none()
        has_entry = models.Q(id=log_id) | models.Q(entries__gt=log_id - models.F("id"))
        return self.filter(has_entry, id__gt=log_id - MOST, id__lte=log_id)

    def count_entries(self) -> int:
        """The number of entries of these rows."""
        is_packed = models.Q(entries__gte=2, entries__lte=MOST)  # an altered number may be infinite
        entries = models.Case(models.When(is_packed, then="entries"), default=1)
        return int(self.aggregate(total=models.Sum(entries))["total"] or 0)


class AuditTrailQuerySet(models.QuerySet["AuditTrail"]):
    def visible_to(self, reader: Reader) -> Self:
        """All changes, or those that the reader made. Raises Denied."""
        if reader.scope(READ_PERMISSION) == "all":
            return self
        return self.filter(is_of(reader.identity, user="changed_by"))


def _text(name: str) -> "models.CharField[str, str]":
    return models.CharField(max_length=TEXT_LIMITS[name], blank=True)


def _hashed_text(name: str) -> HashedTextField:
    return HashedTextField(max_length=TEXT_LIMITS[name], blank=True)


def _newest_of(identity: str, *, name: str) -> models.Index:
    """Of the entries that have the identity."""
    condition = models.Q(**{f"{identity}__isnull": False})
    return models.Index(HashOf(identity), "id", condition=condition, name=name)


class AuditLog(models.Model):
    """One event, or several of one kind (``audit.log.packed_rows``). ``audit.log.entries`` computes the hashed bytes of
    an entry from its columns.

    The sequencer assigns the ids, in the order of the tree (``AuditTree``). ``timestamp`` is the database time. ``meta`` is the exact canonical JSON, as text, because jsonb would rewrite it.
    ``wseq`` counts 1, 2, 3 … per ``writer``, so that a missing row is detected. ``actor_id`` is the id of a service
    account.
    """

    id = models.BigIntegerField(primary_key=True)
    event_id = models.UUIDField()
    timestamp = models.DateTimeField()
    user_id = HashedUUIDField(null=True)
    actor_type = _text("actor_type")
    actor_name = _hashed_text("actor_name")
    auth_method = _text("auth_method")
    token_id = _text("token_id")
    client_ip = _text("client_ip")
    user_agent = _text("user_agent")
    source = _text("source")
    action = _hashed_text("action")
    object_type = _text("object_type")
    object_id = _hashed_text("object_id")
    object_version = models.BigIntegerField(null=True)
    outcome = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Outcome])
    code = _text("code")
    request_id = _text("request_id")
    count = models.BigIntegerField(default=1)
    size = models.BigIntegerField(null=True)
    meta = models.TextField()
    writer = HashedUUIDField()
    wseq = models.BigIntegerField()
    actor_id = HashedUUIDField(null=True)
    mac = models.CharField(max_length=80)
    entries = models.IntegerField(null=True)  # null: one
    details = models.BinaryField(null=True)

    # Not columns: ``audit.verification.integrity`` sets them on rows for display.
    integrity: Integrity
    found: Mapping[str, object]
    # Not columns either: ``audit.services.showing.with_names`` sets them. The page is a URL name.
    object_name: str = ""
    object_page: str = ""

    objects = AuditLogQuerySet.as_manager()

    class Meta:
        db_table = "audit_logs"
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["timestamp"], name="idx_audit_logs_timestamp"),
            models.Index(
                fields=["user_id", "action"],
                condition=models.Q(user_id__isnull=False),
                name="idx_audit_logs_user_action",
            ),
            # With the id as last column, an index serves the newest page of its filter without a sort.
            _newest_of("user_id", name="idx_audit_logs_user"),
            models.Index(HashOf("object_id"), "id", name="idx_audit_logs_object"),
            models.Index(HashOf("actor_name"), "id", name="idx_audit_logs_actor"),
            models.Index(HashOf("action"), "id", name="idx_audit_logs_action"),
            # Only rare values: common ones need no index, and do not pay for one when they are written.
            models.Index(
                fields=["outcome", "id"],
                condition=models.Q(outcome__in=[Outcome.DENIED.value, Outcome.ERROR.value]),
                name="idx_audit_logs_outcome",
            ),
            models.Index(
                fields=["object_id", "id"],
                condition=models.Q(outcome__in=[Outcome.DENIED.value, Outcome.ERROR.value]),
                name="idx_audit_logs_object_refused",
            ),
            models.Index(
                fields=["source", "id"],
                condition=models.Q(source__in=[word.value for word in Source if word != Source.API]),
                name="idx_audit_logs_source",
            ),
            models.Index(
                fields=["actor_type", "id"],
                condition=models.Q(actor_type__in=[ActorType.SYSTEM.value, ActorType.ANONYMOUS.value]),
                name="idx_audit_logs_actor_type",
            ),
            models.Index(
                fields=["actor_id", "action"],
                condition=models.Q(actor_id__isnull=False),
                name="idx_audit_logs_account_action",
            ),
            _newest_of("actor_id", name="idx_audit_logs_account"),
        ]
        constraints = [
            models.UniqueConstraint(HashOf("writer"), "wseq", name="audit_logs_writer_is_sequenced"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=[word.value for word in Outcome]),
                name="audit_logs_outcome_is_known",
            ),
            models.CheckConstraint(condition=models.Q(count__gte=1), name="audit_logs_count_is_positive"),
            models.CheckConstraint(
                condition=models.Q(entries__gte=2, entries__lte=256), name="audit_logs_entries_are_several"
            ),
            models.CheckConstraint(
                condition=models.Q(entries__isnull=True, details__isnull=True)
                | models.Q(entries__isnull=False, details__isnull=False),
                name="audit_logs_details_are_of_several",
            ),
        ]

    @property
    def title(self) -> str:
        """The label with the result, such as ``Revoke key — denied``."""
        return f"{self.label} — {self.result}" if self.result else self.label

    @property
    def label(self) -> str:
        """The action in words, such as ``Revoke key``."""
        return action_labels.label_of(self.action)

    @property
    def result(self) -> str:
        """The result in a word, such as ``denied``; "" for what the system did by itself, and for unknown outcomes."""
        is_routine = self.actor_type == ActorType.SYSTEM and self.outcome == Outcome.OK
        return "" if is_routine else action_labels.RESULTS.get(self.outcome, "")

    @property
    def code_label(self) -> str:
        """The code in words, such as ``permission denied``."""
        return str(self.code).replace("_", " ")

    @property
    def source_label(self) -> str:
        """The interface in words, such as ``Console``."""
        return action_labels.word_label(self.source)

    def is_by(self, identity: Identity) -> bool:
        """Whether this user or service account did it."""
        actor = self.user_id if identity.user_id else self.actor_id
        return actor is not None and actor == identity.id

    @property
    def actor_kind(self) -> str:
        """The type of the actor in words."""
        return str(self.actor_type).replace("_", " ")

    @property
    def object_kind(self) -> str:
        """The type of the object in words."""
        return str(self.object_type).replace("_", " ")

    def __str__(self) -> str:
        return f"#{self.pk} {self.action}"


class AuditTrail(models.Model):
    """One changed row, bound to its event by ``event_id`` and by a digest in the event's ``meta``.

    ``actor_id`` is the id of a service account, ``changed_by`` that of a user.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField()
    table_name = models.CharField(max_length=50)
    record_id = models.CharField(max_length=100)
    action = models.CharField(max_length=20)
    old_values = models.JSONField(null=True)
    new_values = models.JSONField(null=True)
    changed_by = models.UUIDField(null=True)
    changed_at = models.DateTimeField(db_default=Now())
    actor_id = models.UUIDField(null=True)

    # See ``AuditLog``.
    integrity: Integrity
    found: Mapping[str, object]

    objects = AuditTrailQuerySet.as_manager()

    class Meta:
        db_table = "audit_trail"
        verbose_name = "changed row"
        verbose_name_plural = "audit trail"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["record_id", "id"], name="idx_audit_trail_record"),
            models.Index(fields=["event_id"], name="idx_audit_trail_event"),
            models.Index(fields=["changed_by", "id"], name="idx_audit_trail_changed_by"),
            models.Index(fields=["changed_at"], name="idx_audit_trail_changed_at"),
            models.Index(
                fields=["actor_id", "id"],
                condition=models.Q(actor_id__isnull=False),
                name="idx_audit_trail_account",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.action} {self.table_name}"
