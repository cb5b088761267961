"""A signed-in Django test client, and keys that were used."""

from datetime import timedelta

import pytest

from audit.actions import BACKUP_CREATED, BACKUP_DRILLED
from audit.log.events import Actor, Event, Source
from console.actions import KEK_COPY_CHECKED
from kernel.clock import process_now
from kernel.trust.models import KeyEncryptionKey
from tests.audit.usage import sum_up_days
from tests.browsing import signed_in
from tests.factories import KeyFactory, UsageFactory
from tests.log_entries import record_alone

SYSTEM = Actor.system("test", Source.COMMAND)
HTMX = {"HX-Request": "true"}


def alerts_on_home(browser):
    return [alert for group in browser.get("/home/").context["groups"] for alert in group.alerts]


@pytest.fixture
def at_admin(admin):
    return signed_in(admin)


@pytest.fixture
def backed_up(transactional_db):
    """An installation with a backup, a restore drill, and a checked copy of its key-encryption key."""
    for action in (BACKUP_CREATED, BACKUP_DRILLED):
        record_alone(Event(action=action), SYSTEM)
    kek_id = KeyEncryptionKey.objects.get().pk
    record_alone(Event(action=KEK_COPY_CHECKED, object_type="kek", object_id=kek_id), SYSTEM)


@pytest.fixture
def make_key():
    def make(persona, name, **columns):
        return KeyFactory(principal=persona.principal, name=name, **columns)

    return make


@pytest.fixture
def use():
    """Add usage as the sequencer does: ``use(key, 7, by=persona, outcome="denied", ago=timedelta(days=2))``."""

    def used(key, count=1, *, by=None, ago=timedelta(), **facts):
        row = UsageFactory(key=key, by=by, at=process_now() - ago, count=count, **facts)
        sum_up_days()
        return row

    return used
