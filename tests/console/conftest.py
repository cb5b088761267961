"""People in front of a page, without a browser: Django's client, signed in; and keys that were used."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.models import UsageRollup
from ciphercanary.clock import process_now
from keys.services import create_key
from tests.personas import PASSWORD

HTMX = {"HX-Request": "true"}


@pytest.fixture
def sign_in():
    def signed_in(persona, **options):
        browser = Client(**options)
        sent = {"username": persona.user.username, "password": PASSWORD}
        assert browser.post("/login/", sent).status_code == 303
        return browser

    return signed_in


@pytest.fixture
def at_admin(sign_in, admin):
    return sign_in(admin)


@pytest.fixture
def make_key():
    def make(persona, name, **columns):
        return create_key(principal=persona.principal, name=name, algorithm="aes-256", **columns)

    return make


@pytest.fixture
def use():
    """``use(key, 7, by=persona, outcome="denied", ago=timedelta(days=2))``: as the sequencer would add it up."""

    def used(key, count=1, *, by=None, outcome="ok", ago=timedelta(), operation="crypto.message.encrypted"):
        at = process_now() - ago
        return UsageRollup.objects.create(
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

    return used
