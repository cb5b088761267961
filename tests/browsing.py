"""A signed-in Django test client in place of a browser."""

from django.test import Client

from tests.personas import PASSWORD, Persona


def signed_in(persona: Persona, **options: object) -> Client:
    """A browser signed in as the persona with the password. ``options`` are those of Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    assert browser.post("/login/", sent).status_code == 303
    return browser
