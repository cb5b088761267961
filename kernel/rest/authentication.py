"""The base of authentication. In a module of its own, because Django REST framework imports it while it defines views."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class Authentication(BaseAuthentication):
    """Authenticates the caller of an ``ApiView``."""

    def admitted(self, request: Request) -> None:
        """Called when the caller has the permission, before the method runs. May raise a refusal."""
