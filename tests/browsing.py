"""A signed-in Django test client in place of a browser."""

from functools import cache
from unittest.mock import patch

from django.test import Client

from accounts.hashers import BoundedArgon2PasswordHasher
from tests.personas import PASSWORD, Persona

_verify = BoundedArgon2PasswordHasher.verify


def signed_in(persona: Persona, **options: object) -> Client:
    """Sign in the persona with the password. ``options`` as for Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    with patch.object(BoundedArgon2PasswordHasher, "verify", _verify_once):
        assert browser.post("/login/", sent).status_code == 303
    return browser


def _verify_once(_hasher: BoundedArgon2PasswordHasher, password: str, encoded: str) -> bool:
    """Cache the check of the shared password and hash, which takes a fifth of a second."""
    return _verified(password, encoded)


@cache
def _verified(password: str, encoded: str) -> bool:
    return _verify(BoundedArgon2PasswordHasher(), password, encoded)
