"""The REST interface to the registry of algorithms."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.algorithms.serializers import AlgorithmsSerializer
from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, MAC_MODES, SEALING_MODES, SIGNING_MODES
from kernel.rest.fields import represent
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, Rule


class AlgorithmsView(ApiView[Principal]):
    """The available key algorithms, and how operations use them."""

    rules = {"GET": Rule(AUTHENTICATED, actions.ALGORITHMS_READ)}

    @extend_schema(responses=AlgorithmsSerializer)
    def get(self, _request: Request) -> Response:
        registry = {
            "key_algorithms": KEY_ALGORITHMS,
            "modes": SEALING_MODES.values(),
            "signing_algorithms": SIGNING_MODES.values(),
            "mac_algorithms": MAC_MODES.values(),
            "kems": KEM_MODES.values(),
            "key_agreements": list(AGREEMENT_MODES),
        }
        return Response(represent(AlgorithmsSerializer, registry))
