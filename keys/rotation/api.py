"""REST interface for rotations and successions."""

from http import HTTPStatus
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rest.idempotency import idempotent
from kernel.rest.paging import page_serializer
from kernel.rest.schema import LOCATION
from kernel.rules import Rule
from keys import actions
from keys.models import RotationStatus
from keys.new_material import NewMaterial
from keys.reading.api import KeyView
from keys.reading.rest_references import KeyReferenceView
from keys.reading.serializers import KeySerializer
from keys.rotation.serializers import (
    KeyRotationSerializer,
    RotateSerializer,
    RotationQuery,
    SucceedSerializer,
)
from keys.rotation.services import rotating, succession


class RotateKeyView(KeyView):
    """Add a new version with new material and make it primary. Earlier versions still decrypt."""

    rules = {"POST": Rule("keys.rotate", actions.KEY_ROTATED)}

    _material: NewMaterial | None = None

    def generate(self, key_id: UUID) -> None:
        """As ``KeyListView.generate``."""
        self._material = rotating.material_for_rotation(self.principal, key_id)

    @idempotent(before=generate)
    @extend_schema(request=RotateSerializer, responses={201: KeyRotationSerializer})
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = self.read(RotateSerializer)
        rotation = rotating.rotate_key(
            principal=self.principal, key_id=key_id, material=self._material, **order
        )
        return Response(KeyRotationSerializer(rotation).data, status=HTTPStatus.CREATED)


class SucceedKeyView(KeyView):
    """Create a key that takes the place of this one, which only works for existing data from then on.

    Requires a recent sign-in, and also `keys.rotate` and `keys.create`.
    """

    rules = {"POST": Rule("keys.revoke", actions.KEY_SUCCEEDED)}

    _material: NewMaterial | None = None

    def generate(self, key_id: UUID) -> None:
        """As ``KeyListView.generate``."""
        order = {name: value for name, value in self.read(SucceedSerializer).items() if name != "reason"}
        wanted = succession.Successor(**order)
        self._material = succession.material_for_succession(self.principal, key_id, wanted)

    @idempotent(before=generate)
    @extend_schema(request=SucceedSerializer, parameters=[LOCATION], responses={201: KeySerializer})
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = dict(self.read(SucceedSerializer))
        reason = order.pop("reason")
        key = succession.succeed_key(
            principal=self.principal,
            key_id=key_id,
            successor=succession.Successor(**order),
            reason=reason,
            material=self._material,
        )
        location = reverse("key", kwargs={"key_id": key.id})
        return Response(KeySerializer(key).data, status=HTTPStatus.CREATED, headers={"Location": location})


class RotationListView(KeyReferenceView):
    """The rotations of the keys that the caller may see, newest first."""

    rules = {"GET": Rule("keys.read", actions.ROTATION_LISTED)}

    @extend_schema(
        operation_id="rotations_list",
        parameters=[RotationQuery],
        responses=page_serializer(KeyRotationSerializer),
    )
    def get(self, _request: Request) -> Response:
        query = self.read_query(RotationQuery)
        key_id = self.key_id_of(query["key_id"]) if "key_id" in query else None
        status = RotationStatus(query["status"]) if "status" in query else None
        rotations = rotating.list_rotations(principal=self.principal, key_id=key_id, status=status)
        return self.page(rotations, KeyRotationSerializer)
