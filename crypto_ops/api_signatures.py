"""The REST interface to signatures."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, signatures
from crypto_ops.api import OperationView
from crypto_ops.signature_serializers import (
    SignatureSerializer,
    SignSerializer,
    VerificationSerializer,
    VerifySerializer,
)
from crypto_ops.signatures import SignRequest, VerifyRequest, message_of
from kernel.rest import Rule, represent
from keys.rest_references import KeyReferenceView


class SignView(OperationView, KeyReferenceView):
    """Sign a message or its digest with the primary version of a key."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=SignSerializer, responses=SignatureSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(SignSerializer)
        message, is_digest = message_of(
            attrs["mode"], attrs.get("message"), attrs.get("digest"), attrs.get("encoding")
        )
        wanted = SignRequest(
            mode=attrs["mode"],
            key_id=self.key_id_of(attrs["key_id"]),
            message=message,
            is_digest=is_digest,
            encoding=attrs.get("encoding", "der"),
        )
        return Response(represent(SignatureSerializer, signatures.sign(wanted, self.principal)))


class VerifyView(OperationView, KeyReferenceView):
    """Verify the signature of a message or its digest. A wrong signature is answered with ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=VerifySerializer, responses=VerificationSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(VerifySerializer)
        message, is_digest = message_of(
            attrs["mode"], attrs.get("message"), attrs.get("digest"), attrs.get("encoding")
        )
        wanted = VerifyRequest(
            mode=attrs["mode"],
            key_id=self.key_id_of(attrs["key_id"]),
            message=message,
            signature=attrs["signature"],
            is_digest=is_digest,
            encoding=attrs.get("encoding", "der"),
            key_version=attrs.get("key_version"),
        )
        return Response(represent(VerificationSerializer, signatures.verify(wanted, self.principal)))
