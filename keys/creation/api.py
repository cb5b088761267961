"""REST interface to list and create keys."""

from http import HTTPStatus
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import page_serializer
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys import actions
from keys.creation import services as creation
from keys.creation.serializers import CreateKeySerializer
from keys.new_material import NewMaterial
from keys.reading import services as reading
from keys.reading.serializers import KeyQuerySerializer, KeySerializer


class KeyListView(ShowsLog, ApiView[Principal]):
    rules = {
        "GET": Rule("keys.read", actions.KEY_LISTED),
        "POST": Rule("keys.create", actions.KEY_CREATED),
    }
    _material: NewMaterial | None = None

    def generate(self) -> None:
        """Generate the material: for RSA this takes up to seconds, in which no transaction may be open."""
        order = self.read(CreateKeySerializer)
        self._material = creation.material_for_creation(
            self.principal, order["algorithm"], order.get("purpose")
        )

    @extend_schema(
        operation_id="keys_list", parameters=[KeyQuerySerializer], responses=page_serializer(KeySerializer)
    )
    def get(self, _request: Request) -> Response:
        """The keys that the caller may see."""
        query = self.read_query(KeyQuerySerializer)
        keys = reading.list_keys(principal=self.principal, only=cast("reading.KeyFilter", query))
        return self.page(keys.select_related("policy"), KeySerializer)

    @idempotent(before=generate)
    @extend_schema(request=CreateKeySerializer, parameters=[LOCATION], responses={201: KeySerializer})
    def post(self, _request: Request) -> Response:
        """Create a key with its first version."""
        order = self.read(CreateKeySerializer)
        key = creation.create_key(principal=self.principal, material=self._material, **order)
        location = reverse("key", kwargs={"key_id": key.id})
        return Response(KeySerializer(key).data, status=HTTPStatus.CREATED, headers={"Location": location})
