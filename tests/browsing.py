"""People in front of a page, without a window: Django's client, signed in."""

from functools import cache
from unittest.mock import patch

from django.test import Client

from accounts.hashers import BoundedArgon2PasswordHasher
from tests.personas import PASSWORD, Persona

_verify = BoundedArgon2PasswordHasher.verify


def signed_in(persona: Persona, **options: object) -> Client:
    """A browser of the persona's, signed in with the password. ``options`` as for Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    with patch.object(BoundedArgon2PasswordHasher, "verify", _verify_once):
        assert browser.post("/login/", sent).status_code == 303
    return browser


def _verify_once(_hasher: BoundedArgon2PasswordHasher, password: str, encoded: str) -> bool:
    """Everybody has one password and its one hash: a fifth of a second is worth paying once."""
    return _verified(password, encoded)


@cache
def _verified(password: str, encoded: str) -> bool:
    return _verify(BoundedArgon2PasswordHasher(), password, encoded)
