"""People in front of a page, without a window: Django's client, signed in."""

from django.test import Client

from tests.personas import PASSWORD, Persona


def signed_in(persona: Persona, **options: object) -> Client:
    """A browser of the persona's, signed in with the password. ``options`` as for Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    assert browser.post("/login/", sent).status_code == 303
    return browser
