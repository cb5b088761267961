"""People in front of a page, without a browser: Django's client, signed in."""

import pytest
from django.test import Client

from tests.personas import PASSWORD


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
