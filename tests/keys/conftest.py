from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.roles import PERMISSIONS
from audit.models import AuditLog, AuditTrail
from kernel import runtime
from kernel.clock import database_now
from keys.models import EncryptionPolicy, Key
from keys.rotation.services import rotating
from tests.factories import KeyFactory, PolicyFactory, UsageFactory
from tests.log_entries import log_rows
from tests.personas import Persona


@pytest.fixture
def new_key(admin) -> Callable[..., Key]:
    """Create a key through the service, as the admin unless specified otherwise."""
    return partial(KeyFactory, principal=admin.principal)


@pytest.fixture
def allowed_stranger(stranger) -> Persona:
    """A stranger with every permission, for their own keys only."""
    return replace(stranger, principal=replace(stranger.principal, permissions=PERMISSIONS))


@pytest.fixture
def key(new_key) -> Key:
    return new_key()


@pytest.fixture
def rotated_once(admin, key) -> Key:
    """A key with two versions."""
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    key.refresh_from_db()
    return key


@pytest.fixture
def rotated(admin, rotated_once) -> Key:
    """A key with three versions."""
    rotating.rotate_key(principal=admin.principal, key_id=rotated_once.id, reason="test again")
    rotated_once.refresh_from_db()
    return rotated_once


@pytest.fixture
def due_key(new_key) -> Callable[..., Key]:
    """Create a key whose rotation has been due for a day."""

    def create(**fields):
        due = {"next_rotation_at": database_now() - timedelta(days=1)}
        return new_key(rotation_period_days=1, columns=due, **fields)

    return create


@pytest.fixture
def new_policy(admin) -> Callable[..., EncryptionPolicy]:
    """Create a policy through the service."""
    return partial(PolicyFactory, principal=admin.principal)


@pytest.fixture
def let_time_pass() -> Callable[..., None]:
    """Move a key past its activation, and optionally its expiry, as if it had been created long ago."""

    def shift(key, *, expired=False):
        now = database_now()
        row = Key.objects.get(pk=key.pk)
        if row.activates_at is not None:
            row.activates_at = now - timedelta(days=2)
        if expired:
            row.expires_at = now - timedelta(seconds=1)
        row.save_with_mac()
        runtime.fresh()

    return shift


@pytest.fixture
def events_of() -> Callable[..., list[AuditLog]]:
    """The log entries about a key, oldest first."""
    return lambda key: list(log_rows().filter(object_id=str(key.pk)).order_by("id"))


@pytest.fixture
def changes_of() -> Callable[..., list[AuditTrail]]:
    """The changed rows of one log entry, oldest first."""
    return lambda event: list(AuditTrail.objects.filter(event_id=event.event_id).order_by("id"))


@pytest.fixture
def connection_queries() -> Callable[[], CaptureQueriesContext]:
    """``with connection_queries() as statements`` lists the executed SQL, in order."""
    return lambda: CaptureQueriesContext(connection)


@pytest.fixture
def use() -> Callable[..., None]:
    """Count operations with a key, as the sequencer would."""

    def count_use(key, persona, *, ago=timedelta(), verb="encrypted", **facts):
        operation = f"crypto.message.{verb}"
        UsageFactory(key=key, by=persona, at=database_now() - ago, operation=operation, **facts)

    return count_use
