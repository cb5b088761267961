"""The REST interface to signatures."""

from typing import Any

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
from keys.reading.rest_references import KeyReferenceView


class SignView(OperationView, KeyReferenceView):
    """Sign a message or its digest with the primary version of a key."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=SignSerializer, responses=SignatureSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(SignSerializer)
        signed = _signed_part(attrs)
        wanted = SignRequest(key_id=self.key_id_of(attrs["key_id"]), **signed)
        return Response(represent(SignatureSerializer, signatures.sign(wanted, self.principal)))


class VerifyView(OperationView, KeyReferenceView):
    """Verify the signature of a message or its digest. A wrong signature is answered with ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=VerifySerializer, responses=VerificationSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(VerifySerializer)
        signed = _signed_part(attrs)
        wanted = VerifyRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            signature=attrs["signature"],
            key_version=attrs.get("key_version"),
            **signed,
        )
        return Response(represent(VerificationSerializer, signatures.verify(wanted, self.principal)))


def _signed_part(attrs: dict[str, Any]) -> dict[str, Any]:
    """The fields that both requests have in common, besides the key. Raises Invalid."""
    message, is_digest = message_of(
        attrs["mode"], attrs.get("message"), attrs.get("digest"), attrs.get("encoding")
    )
    encoding = attrs.get("encoding", "der")
    return {"mode": attrs["mode"], "message": message, "is_digest": is_digest, "encoding": encoding}
