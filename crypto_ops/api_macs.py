"""The REST interface to MACs."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, macs
from crypto_ops.api import OperationView
from crypto_ops.mac_serializers import (
    ComputedMacSerializer,
    MacSerializer,
    MacVerificationSerializer,
    VerifyMacSerializer,
)
from crypto_ops.macs import MacRequest, VerifyMacRequest
from kernel.rest import Rule, represent
from keys.reading.rest_references import KeyReferenceView


class MacView(OperationView, KeyReferenceView):
    """Compute the MAC of a message with the primary version of a key."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    @extend_schema(request=MacSerializer, responses=ComputedMacSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(MacSerializer)
        wanted = MacRequest(key_id=self.key_id_of(attrs["key_id"]), message=attrs["message"])
        return Response(represent(ComputedMacSerializer, macs.compute_mac(wanted, self.principal)))


class VerifyMacView(OperationView, KeyReferenceView):
    """Verify the MAC of a message. A wrong MAC is answered with ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}

    @extend_schema(request=VerifyMacSerializer, responses=MacVerificationSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(VerifyMacSerializer)
        wanted = VerifyMacRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            message=attrs["message"],
            mac=attrs["mac"],
            key_version=attrs.get("key_version"),
        )
        return Response(represent(MacVerificationSerializer, macs.verify_mac(wanted, self.principal)))
