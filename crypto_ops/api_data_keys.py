"""The REST interface to data keys."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, data_keys
from crypto_ops.api import OperationView
from crypto_ops.data_key_serializers import DataKeySerializer, GeneratedDataKeySerializer
from crypto_ops.data_key_wire import answer_of
from crypto_ops.data_keys import DataKeyRequest
from kernel.rest import Rule
from keys.reading.rest_references import KeyReferenceView


class DataKeyView(OperationView, KeyReferenceView):
    """Generate a data key or a key pair, encrypted with the primary version of a key."""

    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}

    @extend_schema(request=DataKeySerializer, responses=GeneratedDataKeySerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(DataKeySerializer)
        wanted = DataKeyRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            contents=attrs["contents"],
            mode=attrs["mode"],
            aad=attrs.get("aad", b""),
            is_disclosed=attrs.get("plaintext", True),
        )
        return Response(answer_of(data_keys.generate_data_key(wanted, self.principal)))
