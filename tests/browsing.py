"""A signed-in Django test client in place of a browser."""

from django.db import connection
from django.test import Client

from accounts.roles import ROLES
from tests.personas import PASSWORD, Persona

# The roles that a sweep of all pages takes. Permissions do not depend on the database: on SQLite one role suffices.
SWEPT_ROLES = sorted(ROLES) if connection.vendor == "postgresql" else ["admin"]


def signed_in(persona: Persona, **options: object) -> Client:
    """A browser signed in as the persona with the password. ``options`` are those of Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    assert browser.post("/login/", sent).status_code == 303
    return browser
