"""The list of conditions that need a decision."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from console import actions
from console.home.serializers import ALERT_LIMIT, AttentionSerializer
from console.home.services import read_attention
from kernel.clock import process_now
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, Rule


class AttentionView(ShowsLog, ApiView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.ATTENTION_READ)}

    @extend_schema(responses=AttentionSerializer)
    def get(self, _request: Request) -> Response:
        """List what needs a decision, the most severe kind first: the same alerts as the console's home page.

        It has only objects that the caller may see.
        """
        attention = read_attention(principal=self.principal, at=process_now(), limit=ALERT_LIMIT)
        return Response(AttentionSerializer(attention).data)
