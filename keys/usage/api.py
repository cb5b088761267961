"""REST interface for the use of a key, and for the requests that an action on it would have denied."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.sequencing.catching_up import ShowsLog
from kernel.rules import Rule
from keys import actions
from keys.impact import KeyAction
from keys.reading.api import KeyView
from keys.usage.serializers import (
    ImpactQuery,
    ImpactSerializer,
    ScreamTestSerializer,
    UsageQuery,
    UsageSerializer,
)
from keys.usage.services.forecasts import read_impact
from keys.usage.services.scream_tests import read_scream_test
from keys.usage.services.usage import read_usage


class UsageView(ShowsLog, KeyView):
    rules = {"GET": Rule("keys.read", actions.USAGE_READ)}

    @extend_schema(parameters=[UsageQuery], responses=UsageSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """The last use of the key, and its use in a period by version and caller."""
        query = self.read_query(UsageQuery)
        usage = read_usage(principal=self.principal, key_id=key_id, days=query["days"])
        return Response(UsageSerializer(usage).data)


class ImpactView(ShowsLog, KeyView):
    rules = {"GET": Rule("keys.read", actions.IMPACT_READ)}

    @extend_schema(parameters=[ImpactQuery], responses=ImpactSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """The requests of the last 30 days that an action on the key would have denied. Changes nothing."""
        query = self.read_query(ImpactQuery)
        action = KeyAction(query.pop("action"))
        impact = read_impact(principal=self.principal, key_id=key_id, action=action, **query)
        return Response(ImpactSerializer(impact).data)


class ScreamTestView(ShowsLog, KeyView):
    rules = {"GET": Rule("keys.read", actions.SCREAM_TEST_READ)}

    @extend_schema(responses=ScreamTestSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """The requests that were denied during the last suspension of the key, if it was for a limited time."""
        test = read_scream_test(principal=self.principal, key_id=key_id)
        return Response(ScreamTestSerializer(test).data)
