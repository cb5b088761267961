"""REST interface for keys. Each view converts the request and calls one service."""

from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from kernel.rest.fields import PageQuery
from kernel.rest.idempotency import idempotent
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys import actions, wrapped_material
from keys.creation import services as creation
from keys.creation.serializers import CreateKeySerializer
from keys.editing import services as editing
from keys.editing.api import UpdateKeySerializer
from keys.models import Key
from keys.reading import services as reading
from keys.reading.rest_references import KeyReferenceView
from keys.reading.serializers import (
    KeyPageSerializer,
    KeyQuerySerializer,
    KeySerializer,
    KeyVersionPageSerializer,
    KeyVersionSerializer,
    ReasonSerializer,
)
from keys.states import services as states
from keys.states.api import RevokeSerializer


class KeyView(KeyReferenceView):
    """Base class of views whose URL names a key. Their methods receive the key's ID."""

    object_reference = ("key", "key_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.kwargs["key_id"] = self.key_id_of(kwargs["key_id"])  # DRF passes this mapping to the method

    def require_visible(self) -> None:
        reading.get_key(principal=self.principal, key_id=self.kwargs["key_id"])


class KeyListView(ShowsLog, ApiView[Principal]):
    rules = {
        "GET": Rule("keys.read", actions.KEY_LISTED),
        "POST": Rule("keys.create", actions.KEY_CREATED),
    }
    _material: wrapped_material.NewMaterial | None = None

    def generate(self) -> None:
        """Generate the material: for RSA this takes up to seconds, in which no transaction may be open."""
        order = self.read(CreateKeySerializer)
        self._material = creation.material_for_creation(
            self.principal, order["algorithm"], order.get("purpose")
        )

    @extend_schema(operation_id="keys_list", parameters=[KeyQuerySerializer], responses=KeyPageSerializer)
    def get(self, _request: Request) -> Response:
        """The keys that the caller may see."""
        query = self.read_query(KeyQuerySerializer)
        only = {name: value for name, value in query.items() if name not in {"page", "limit"}}
        keys = reading.list_keys(principal=self.principal, only=cast("services.KeyFilter", only))
        return self.page(keys.select_related("policy"), KeySerializer)

    @idempotent(before=generate)
    @extend_schema(request=CreateKeySerializer, parameters=[LOCATION], responses={201: KeySerializer})
    def post(self, _request: Request) -> Response:
        """Create a key with its first version."""
        order = self.read(CreateKeySerializer)
        key = creation.create_key(principal=self.principal, material=self._material, **order)
        location = reverse("key", kwargs={"key_id": key.id})
        return Response(KeySerializer(key).data, status=HTTPStatus.CREATED, headers={"Location": location})


class KeyDetailView(KeyView):
    rules = {
        "GET": Rule("keys.read", actions.KEY_READ),
        "PATCH": Rule("keys.update", actions.KEY_UPDATED),
    }

    @extend_schema(parameters=[ETAG], responses=KeySerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """One key, without its material."""
        return _with_etag(reading.get_key(principal=self.principal, key_id=key_id))

    @extend_schema(request=UpdateKeySerializer, parameters=[IF_MATCH, ETAG], responses=KeySerializer)
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Change the settings of the key."""
        key = editing.update_key(
            principal=self.principal,
            key_id=key_id,
            check=if_match(request),
            changes=cast("services.KeyUpdate", self.read(UpdateKeySerializer)),
        )
        return _with_etag(key)


class ActivateKeyView(KeyView):
    """Activate a pending key before its activation time."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ACTIVATED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(states.activate_key(principal=self.principal, key_id=key_id, reason=reason))


class DisableKeyView(KeyView):
    """Suspend the key. It cannot be used until it is enabled again."""

    rules = {"POST": Rule("keys.disable", actions.KEY_DISABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(states.disable_key(principal=self.principal, key_id=key_id, reason=reason))


class EnableKeyView(KeyView):
    """End the suspension of a key."""

    rules = {"POST": Rule("keys.disable", actions.KEY_ENABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        reason = self.read(ReasonSerializer)["reason"]
        return _key(states.enable_key(principal=self.principal, key_id=key_id, reason=reason))


class RevokeKeyView(KeyView):
    """Revoke the key permanently. It can still decrypt, unless it is compromised."""

    rules = {"POST": Rule("keys.revoke", actions.KEY_REVOKED)}

    @extend_schema(request=RevokeSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = self.read(RevokeSerializer)
        return _key(states.revoke_key(principal=self.principal, key_id=key_id, **order))


class KeyVersionListView(KeyView):
    """The versions of the key, newest first."""

    rules = {"GET": Rule("keys.read", actions.VERSION_LISTED)}

    @extend_schema(
        operation_id="keys_versions_list", parameters=[PageQuery], responses=KeyVersionPageSerializer
    )
    def get(self, _request: Request, key_id: UUID) -> Response:
        self.read_query(PageQuery)
        versions = reading.list_versions(principal=self.principal, key_id=key_id)
        return self.page(versions, KeyVersionSerializer)


class DisableVersionView(KeyView):
    """Stop an earlier version from decrypting."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_DISABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        row = states.disable_version(
            principal=self.principal, key_id=key_id, version=version, **self.read(ReasonSerializer)
        )
        return Response(KeyVersionSerializer(row).data)


class EnableVersionView(KeyView):
    """Allow a disabled version to decrypt again."""

    rules = {"POST": Rule("keys.disable", actions.VERSION_ENABLED)}

    @extend_schema(request=ReasonSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        row = states.enable_version(
            principal=self.principal, key_id=key_id, version=version, **self.read(ReasonSerializer)
        )
        return Response(KeyVersionSerializer(row).data)


def _with_etag(key: Key) -> Response:
    return Response(KeySerializer(key).data, headers={"ETag": etag_of(key.row_seq)})


def _key(key: Key) -> Response:
    return Response(KeySerializer(key).data)
