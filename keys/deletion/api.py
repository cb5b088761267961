"""REST interface for the scheduled deletion of keys and versions."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rules import Rule
from keys import actions
from keys.deletion import services
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS
from keys.reading.api import KeyView
from keys.reading.serializers import KeySerializer, KeyVersionSerializer, ReasonSerializer


class ScheduleDeletionSerializer(ReasonSerializer):
    confirm_name = serializers.CharField(max_length=64, help_text="the name of the key")
    waiting_days = serializers.IntegerField(
        default=MAX_DELETION_DAYS, min_value=MIN_DELETION_DAYS, max_value=MAX_DELETION_DAYS
    )


class ScheduleDeletionView(KeyView):
    """Stop every use of the key now, and destroy its material after the waiting period."""

    rules = {"POST": Rule("keys.destroy", actions.KEY_DELETION_SCHEDULED)}

    @extend_schema(request=ScheduleDeletionSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = self.read(ScheduleDeletionSerializer)
        key = services.schedule_deletion(principal=self.principal, key_id=key_id, **order)
        return Response(KeySerializer(key).data)


class CancelDeletionView(KeyView):
    """Keep the key. A key that was active is disabled afterwards."""

    rules = {"POST": Rule("keys.destroy", actions.KEY_DELETION_CANCELLED)}

    @extend_schema(request=ReasonSerializer, responses=KeySerializer)
    def post(self, _request: Request, key_id: UUID) -> Response:
        order = self.read(ReasonSerializer)
        key = services.cancel_deletion(principal=self.principal, key_id=key_id, **order)
        return Response(KeySerializer(key).data)


class ScheduleDestructionView(KeyView):
    """Stop an earlier version from decrypting now, and destroy its material after the waiting period."""

    rules = {"POST": Rule("keys.destroy", actions.VERSION_DESTRUCTION_SCHEDULED)}

    @extend_schema(request=ScheduleDeletionSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        order = self.read(ScheduleDeletionSerializer)
        row = services.schedule_version_destruction(
            principal=self.principal, key_id=key_id, version=version, **order
        )
        return Response(KeyVersionSerializer(row).data)


class CancelDestructionView(KeyView):
    """Keep the version. It is disabled afterwards."""

    rules = {"POST": Rule("keys.destroy", actions.VERSION_DESTRUCTION_CANCELLED)}

    @extend_schema(request=ReasonSerializer, responses=KeyVersionSerializer)
    def post(self, _request: Request, key_id: UUID, version: int) -> Response:
        order = self.read(ReasonSerializer)
        row = services.cancel_version_destruction(
            principal=self.principal, key_id=key_id, version=version, **order
        )
        return Response(KeyVersionSerializer(row).data)
