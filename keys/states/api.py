"""REST interface for the states of keys and versions."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rules import Rule
from keys import actions
from keys.models import Key
from keys.reading.api import KeyView
from keys.reading.serializers import KeySerializer, KeyVersionSerializer, ReasonSerializer
from keys.states import services


class RevokeSerializer(ReasonSerializer):
    compromised = serializers.BooleanField(default=False)


class ActivateKeyView(KeyView):
    """Activate a pending key before its activation time."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ACTIVATED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(services.activate_key(principal=self.principal, key_id=key_id, reason=reason))


class DisableKeyView(KeyView):
    """Suspend the key. It cannot be used until it is enabled again."""

    rules = {"POST": Rule("keys.disable", actions.KEY_DISABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(services.disable_key(principal=self.principal, key_id=key_id, reason=reason))


class EnableKeyView(KeyView):
    """End the suspension of a key."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ENABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(services.enable_key(principal=self.principal, key_id=key_id, reason=reason))


class RevokeKeyView(KeyView):
    """Revoke the key permanently. It can still decrypt, unless it is compromised."""

    rules = {"POST": Rule("keys.revoke", actions.KEY_REVOKED)}

    @extend_schema(request=RevokeSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = self.read(RevokeSerializer)
        return _key(services.revoke_key(principal=self.principal, key_id=key_id, **order))


class DisableVersionView(KeyView):
    """Stop an earlier version from decrypting."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_DISABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        row = services.disable_version(
            principal=self.principal, key_id=key_id, version=version, **self.read(ReasonSerializer)
        )
        return Response(KeyVersionSerializer(row).data)


class EnableVersionView(KeyView):
    """Allow a disabled version to decrypt again."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_ENABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        row = services.enable_version(
            principal=self.principal, key_id=key_id, version=version, **self.read(ReasonSerializer)
        )
        return Response(KeyVersionSerializer(row).data)


def _key(key: Key) -> Response:
    return Response(KeySerializer(key).data)
