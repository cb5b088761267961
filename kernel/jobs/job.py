"""The rows of jobs. They alone hold the work, its worker and its progress; brokers only notify."""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.db import models
from django.db.models import F, Q

from kernel.clock import database_now
from kernel.identities import Identity


class Status(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
UNFINISHED = (Status.PENDING, Status.RUNNING)


class LongNameIndex(models.Index):
    """An index with a name of up to 63 characters, as PostgreSQL allows. Django's limit is that of another database."""

    max_name_length = 63


_ENDED = Q(status__in=[word.value for word in ENDED])
_LEASED = Q(status=Status.RUNNING.value, due_at__isnull=False)


class JobRecord(models.Model):
    """Work that a user or a service account requested, and its progress: one row for each job of any kind.

    ``kind`` is the word under which the job's task is registered. ``done`` and ``total`` (None if not known yet) are in
    ``unit``. ``error_code`` is a fixed word.

    ``created_by`` (a user) or ``actor_id`` (a service account) and ``created_by_name`` identify the requester, and
    ``actor`` holds the other facts of that actor as text. Audit events of the task name this actor.

    A job is due in two cases: it is pending and ``due_at`` has passed, or it is running and ``lease_until`` has
    passed, in which case its worker is presumed dead. Every claim sets a new ``lease_holder``, so a worker that was
    only slow finds its own value gone. A job without ``due_at`` has no worker: a client does the work.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    status = models.CharField(
        max_length=10, choices=[(word.value, word.value) for word in Status], default=Status.PENDING.value
    )
    created_at = models.DateTimeField(default=database_now)
    due_at = models.DateTimeField(default=database_now, null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.UUIDField(null=True)
    actor_id = models.UUIDField(null=True)
    created_by_name = models.CharField(max_length=150, blank=True)
    actor = models.JSONField(default=dict, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True)
    unit = models.CharField(max_length=20, blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=100, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "encryption_operations"
        verbose_name = "job"
        ordering = ["-created_at"]
        indexes = [
            LongNameIndex(fields=["status"], name="idx_encryption_operations_status"),
            models.Index(fields=["status", "due_at"], name="idx_encryption_operations_due"),
            LongNameIndex(fields=["created_by"], name="idx_encryption_operations_created_by"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(kind=""), name="encryption_operations_have_a_kind"),
            models.CheckConstraint(
                condition=Q(status__in=[word.value for word in Status]),
                name="encryption_operations_status_is_known",
            ),
            models.CheckConstraint(
                condition=_ENDED & Q(finished_at__isnull=False) | ~_ENDED & Q(finished_at__isnull=True),
                name="encryption_operations_finished_when_ended",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.FAILED.value) & ~Q(error_code="")
                | ~Q(status=Status.FAILED.value) & Q(error_code=""),
                name="encryption_operations_failure_has_a_code",
            ),
            models.CheckConstraint(
                condition=Q(done__gte=0) & (Q(total__isnull=True) | Q(total__gte=F("done"))),
                name="encryption_operations_progress_within_total",
            ),
            models.CheckConstraint(
                condition=_LEASED & Q(lease_until__isnull=False) & ~Q(lease_holder="")
                | ~_LEASED & Q(lease_until__isnull=True, lease_holder=""),
                name="encryption_operations_lease_while_running",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def actor_facts(self) -> dict[str, Any]:
        """The arguments of ``audit.log.events.Actor`` for the requester."""
        facts = {"user_id": self.created_by, "actor_id": self.actor_id, "actor_name": self.created_by_name}
        return {**self.actor, **facts}

    @property
    def requester(self) -> Identity:
        """The user or service account that requested the job; the system if neither did."""
        if self.created_by is not None:
            return Identity.user(self.created_by)
        return Identity.SYSTEM if self.actor_id is None else Identity.service_account(self.actor_id)


class Job(JobRecord):
    """A job with the facts of its kind, which have a table of their own with the same ids.

    A concrete model must define ``class Meta(Job.Meta)``. Its constraints cannot name columns of ``JobRecord``.
    Update those columns through ``JobRecord``: Django's update through a ``Job`` reads the ids first, so it is no
    compare-and-set.
    """

    record = models.OneToOneField(
        JobRecord, models.CASCADE, parent_link=True, primary_key=True, db_column="id", related_name="+"
    )

    class Meta:
        abstract = True
        ordering = ["-created_at"]


def requester_columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that store the requester, from the facts of an actor (its ``msgspec.structs.asdict``).

    ``AuditExport.objects.create(**requester_columns(asdict(actor)), …)``; ``Job.actor_facts`` is the inverse.
    """
    known = {"created_by": "user_id", "actor_id": "actor_id", "created_by_name": "actor_name"}
    others = {name: str(fact) for name, fact in facts.items() if name not in known.values()}
    return {**{column: facts[name] for column, name in known.items()}, "actor": others}
