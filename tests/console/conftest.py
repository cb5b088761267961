"""A signed-in Django test client, and keys that were used."""

from datetime import timedelta

import pytest

from audit.models import UsageRollup
from kernel.clock import process_now
from keys.services import create_key
from tests.audit.usage import sum_up_days
from tests.browsing import signed_in

HTMX = {"HX-Request": "true"}


def alerts_on_home(browser):
    return [alert for group in browser.get("/home/").context["groups"] for alert in group.alerts]


@pytest.fixture
def at_admin(admin):
    return signed_in(admin)


@pytest.fixture
def make_key():
    def make(persona, name, **columns):
        return create_key(principal=persona.principal, name=name, algorithm="aes-256", **columns)

    return make


@pytest.fixture
def use():
    """Add usage as the sequencer does: ``use(key, 7, by=persona, outcome="denied", ago=timedelta(days=2))``."""

    def used(key, count=1, *, by=None, outcome="ok", ago=timedelta(), operation="crypto.message.encrypted"):
        at = process_now() - ago
        row = UsageRollup.objects.create(
            key_id=str(getattr(key, "id", key)),
            version=1,
            principal=str(by.user.id) if by else "",
            operation=operation,
            outcome=outcome,
            hour=at.replace(minute=0, second=0, microsecond=0),
            count=count,
            size=0,
            last_at=at,
        )
        sum_up_days()
        return row

    return used
