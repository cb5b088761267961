"""Views, fields and serializers that the REST interfaces of several rooms extend."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models.roles import MAX_ROLE_NAME
from accounts.principals import Principal
from kernel import throttle
from kernel.http.context import in_context
from kernel.labels import MAX_REASON
from kernel.rest.fields import LabelField, StrictSerializer
from kernel.rest.views import ApiView


class AuthView(ApiView[Principal]):
    """Base class of ``/auth/`` endpoints: rate limited per client address, with small request bodies."""

    max_body_bytes = 16 * 1024

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        throttle.check_address(in_context(request), group="auth", rate=settings.CC_THROTTLE_AUTH)


class CredentialView(AuthView):
    """Base class of endpoints that authenticate by the request body. They ignore a stale Authorization header."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()


class TextField(serializers.CharField):
    """A string that keeps leading and trailing whitespace."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class RoleNameField(TextField):
    """The name of a role. The services refuse one that does not exist."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_ROLE_NAME, help_text="a built-in role, or one of /roles", **kwargs)


class OptionalReasonSerializer(StrictSerializer):
    reason = LabelField(required=False, max_length=MAX_REASON)
