"""Alarms of the log."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.models import RESOLVE_PERMISSION
from audit.models.alarms import AuditAlarmQuerySet
from audit.sequencing.catching_up import ShowsLog
from audit.serializers.alarms import (
    AlarmQuerySerializer,
    AuditAlarmSerializer,
    ResolveAlarmSerializer,
)
from audit.services import alarms
from audit.services.alarms import LIST_PERMISSION
from audit.services.resolving import Resolver, resolve_alarm
from kernel.rest.paging import page_serializer
from kernel.rest.views import ApiView
from kernel.rules import Rule


class AlarmListView(ShowsLog, ApiView[Resolver]):
    rules = {"GET": Rule(LIST_PERMISSION, actions.ALARM_LISTED)}

    @extend_schema(
        operation_id="audit_alarms_list",
        parameters=[AlarmQuerySerializer],
        responses=page_serializer(AuditAlarmSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the alarms of the log, newest first, with their resolutions."""
        status = self.read_query(AlarmQuerySerializer).get("status")
        found = alarms.find_alarms(principal=self.principal, status=status)
        return self.page(found, AuditAlarmSerializer, read=AuditAlarmQuerySet.found)


class ResolveAlarmView(ApiView[Resolver]):
    rules = {"POST": Rule(RESOLVE_PERMISSION, actions.ALARM_RESOLVED)}
    object_reference = ("audit_alarm", "alarm_id")

    @extend_schema(request=ResolveAlarmSerializer, responses=AuditAlarmSerializer)
    def post(self, _request: Request, alarm_id: UUID) -> Response:
        """Resolve an alarm after investigating it. Accepts the missing entries or rows that it names. Requires a recent sign-in."""
        reason = self.read(ResolveAlarmSerializer)["reason"]
        alarm = resolve_alarm(principal=self.principal, alarm_id=alarm_id, reason=reason)
        return Response(AuditAlarmSerializer(alarm).data)
