"""The REST interface to certificate signing requests."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, csr
from crypto_ops.csr import CsrRequest
from crypto_ops.csr_serializers import CsrSerializer, SignedCsrSerializer
from kernel.rest import Rule, represent
from keys.reading.rest_references import KeyReferenceView
from keys.references import KeyReference


class CsrView(KeyReferenceView):
    """Sign a request for a certificate of the key's primary version."""

    rules = {"POST": Rule("crypto.sign", actions.CSR_SIGNED)}
    object_reference = ("key", "key_id")

    @extend_schema(request=CsrSerializer, responses=SignedCsrSerializer)
    def post(self, _request: Request, key_id: KeyReference) -> Response:
        wanted = CsrRequest(key_id=self.key_id_of(key_id), **self.read(CsrSerializer))
        return Response(represent(SignedCsrSerializer, csr.sign_csr(wanted, self.principal)))
