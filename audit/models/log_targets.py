"""Log targets: the receivers of entries."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from kernel.errors import Invalid
from kernel.http.targets import MAX_URL, Target
from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import Binding, WrappedRow

MANAGE_TARGETS: Final = "system.manage"
READ_TARGETS: Final = "system.read"  # roles that may read the whole log have it
FILE: Final = "file"
# The transports and their default ports. Only those in ``UNACKNOWLEDGED`` can lose entries.
SCHEMES: Final = {"https": 443, "relp": None, "relp+tls": None, "tcp": None, "tls": 6514}
UNACKNOWLEDGED: Final = frozenset({"tcp", "tls"})
WITH_TLS: Final = frozenset({"https", "relp+tls", "tls"})


class LogFormat(StrEnum):
    """How an entry is written: our canonical JSON, or a schema of others."""

    JSON = "json"
    ECS = "ecs"
    OCSF = "ocsf"
    CEF = "cef"


class HttpStyle(StrEnum):
    """The body of an HTTPS request: one entry a line, or an envelope for each entry."""

    LINES = "lines"
    SPLUNK = "splunk"
    ELASTIC = "elastic"
    LOKI = "loki"


class TargetStatus(StrEnum):
    """``STOPPED``: until a person resets the position. ``FAILING``: the last delivery failed, and is repeated."""

    ACTIVE = "active"
    FAILING = "failing"
    STOPPED = "stopped"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class TargetLag:
    """How far a target is behind the tree, which has ``total`` entries. ``since`` is the time of the oldest entry that
    was not delivered.
    """

    total: int
    entries: int
    since: datetime | None
    seconds: float


class LogTarget(MacProtectedRow, WrappedRow):
    """A receiver of entries, those whose action begins with one of ``actions`` and whose outcome is in ``outcomes``.
    Without any, all of them.

    ``url`` is ``https://…``, ``file:///…``, or ``relp``, ``relp+tls``, ``tcp`` or ``tls`` with host and port. The
    wrapped key is the value of the header Authorization or, for syslog with TLS, a certificate and its private key (PEM).
    ``ca`` are certificates (PEM) beside those of the system.

    The first ``size`` leaves of the tree were delivered, and ``root`` (base64) is its root at that size. The MAC covers
    both: otherwise an attacker with write access to the database could hide entries from the receiver.
    ``stopped_reason`` is set when the tree has another root there, until a person resets the position.

    ``last_error`` is a fixed text, without data of the receiver. ``failures`` and ``failing_since`` are those since the
    last success. A worker that delivers has the lease.
    """

    MAC_LABEL: ClassVar[str] = "audit-log-target"
    # Each delivery changes the MAC, and an older position only sends entries again.
    STATE: ClassVar[tuple[str, ...]] = ("edits",)
    NAME_LIMIT: ClassVar[int] = 64
    CA_LIMIT: ClassVar[int] = 32 * 1024
    TEXT_LIMIT: ClassVar[int] = 200
    FAILURES: ClassVar[tuple[str, ...]] = ("last_error", "failures", "failing_since", "next_attempt_at")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LIMIT, unique=True)
    url = models.CharField(max_length=MAX_URL)
    style = models.CharField(max_length=10, default=HttpStyle.LINES.value)
    format = models.CharField(max_length=10, default=LogFormat.JSON.value)
    actions = models.JSONField(default=list)
    outcomes = models.JSONField(default=list)
    ca = models.TextField(blank=True)
    is_enabled = models.BooleanField(default=True)
    edits = models.PositiveIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    root = models.CharField(max_length=44)
    stopped_reason = models.CharField(max_length=TEXT_LIMIT, blank=True)
    created_at = models.DateTimeField()
    created_by = models.UUIDField(null=True)
    created_by_name = models.CharField(max_length=150, blank=True)

    # Not under the MAC: they decide nothing about what the receiver gets.
    last_success_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=TEXT_LIMIT, blank=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    test_requested_at = models.DateTimeField(null=True)
    tested_at = models.DateTimeField(null=True)
    test_error = models.CharField(max_length=TEXT_LIMIT, blank=True)
    lease_holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    # Not columns: ``audit.services.log_targets.measured`` sets them.
    lag: TargetLag
    shown_url: str

    class Meta:
        db_table = "audit_log_targets"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(format__in=[each.value for each in LogFormat]),
                name="audit_log_targets_format_is_known",
            ),
            models.CheckConstraint(
                condition=Q(style__in=[each.value for each in HttpStyle]),
                name="audit_log_targets_style_is_known",
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="audit_log_targets_size_is_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def revision(self) -> int:
        """The number of changes by people. Deliveries change the row, too, but not what people see of it."""
        return self.edits

    @property
    def scheme(self) -> str:
        """The transport."""
        return self.url.partition(":")[0]

    @property
    def path(self) -> PurePosixPath:
        """The path of a file."""
        return PurePosixPath(self.url.removeprefix("file://"))

    @property
    def origin(self) -> str:
        """The URL of a server without its path, which may contain a token; of a file, the whole URL.

        "" if the row was altered.
        """
        if self.scheme == FILE:
            return self.url
        try:
            return Target.parse(self.url, SCHEMES).origin
        except Invalid:
            return ""

    @property
    def has_credential(self) -> bool:
        return bool(self.wrapped)

    @property
    def is_acknowledged(self) -> bool:
        """Whether the receiver acknowledges entries. Otherwise some may be lost when a connection ends."""
        return self.scheme not in UNACKNOWLEDGED

    @property
    def is_verifiable(self) -> bool:
        """Whether the receiver gets every entry in its canonical bytes, with checkpoints."""
        is_plain = self.format == LogFormat.JSON and self.style == HttpStyle.LINES
        return is_plain and not self.actions and not self.outcomes

    def is_due(self, now: datetime) -> bool:
        """Whether entries may be delivered: after a failure, not before a pause."""
        is_paused = self.next_attempt_at is not None and self.next_attempt_at > now
        return self.is_enabled and not self.stopped_reason and not is_paused

    def wants(self, action: object, outcome: object) -> bool:
        """Whether the receiver gets an entry with this action and outcome."""
        is_chosen = not self.actions or str(action).startswith(tuple(self.actions))
        return is_chosen and (not self.outcomes or outcome in self.outcomes)

    def clear_failures(self) -> None:
        """Set the columns in ``FAILURES``, which the caller saves."""
        self.last_error, self.failures = "", 0
        self.failing_since = self.next_attempt_at = None

    @property
    def status(self) -> TargetStatus:
        if not self.is_enabled:
            return TargetStatus.DISABLED
        if self.stopped_reason:
            return TargetStatus.STOPPED
        return TargetStatus.FAILING if self.failures else TargetStatus.ACTIVE

    @property
    def binding(self) -> Binding:
        return Binding("cc/log-target/v1", [self.id.bytes])

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.name,
            self.url,
            self.style,
            self.format,
            self.actions,
            self.outcomes,
            self.ca,
            self.kek_id,
            bytes(self.wrapped),
            self.is_enabled,
            self.edits,
            self.size,
            self.root,
            self.stopped_reason,
            self.created_at,
            self.created_by,
            self.created_by_name,
        )
