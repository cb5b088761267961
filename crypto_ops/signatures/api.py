"""The REST interface to signatures, MACs, JWTs and certificate signing requests."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import OperationView
from crypto_ops.items.api import BatchView, references_of
from crypto_ops.items.wire import answer_of
from crypto_ops.signatures.items import mac_item_of, signature_item_of
from crypto_ops.signatures.serializers import (
    ComputedMacBatchSerializer,
    ComputedMacSerializer,
    CsrSerializer,
    MacBatchSerializer,
    MacSerializer,
    MacVerificationSerializer,
    SignatureSerializer,
    SignBatchSerializer,
    SignedBatchSerializer,
    SignedCsrSerializer,
    SignedJwtSerializer,
    SignJwtSerializer,
    SignSerializer,
    VerificationSerializer,
    VerifiedBatchSerializer,
    VerifiedMacBatchSerializer,
    VerifyBatchSerializer,
    VerifyMacBatchSerializer,
    VerifyMacSerializer,
    VerifySerializer,
)
from crypto_ops.signatures.services import batches as proof_batches
from crypto_ops.signatures.services import csr, jwts, macs, signatures
from crypto_ops.signatures.services.batches import MacBatch, SignBatch, VerifyBatch, VerifyMacBatch
from crypto_ops.signatures.services.csr import CsrRequest
from crypto_ops.signatures.services.jwts import JwtRequest
from crypto_ops.signatures.services.macs import MacRequest, VerifyMacRequest
from crypto_ops.signatures.services.signatures import SignRequest, VerifyRequest, message_of
from kernel.rest.fields import represent
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView
from keys.references import KeyReference


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


class _BatchView(BatchView):
    def signature_batch[B: (SignBatch, VerifyBatch)](self, kind: type[B], attrs: dict[str, Any]) -> B:
        found = [
            signature_item_of(
                item.get("message"),
                item.get("digest"),
                item.get("signature"),
                item.get("key_version"),
                mode=attrs["mode"],
            )
            for item in attrs["items"]
        ]
        key_id, encoding = self.key_id_of(attrs["key_id"]), attrs.get("encoding", "der")
        return kind(mode=attrs["mode"], key_id=key_id, items=found, encoding=encoding)

    def mac_batch[B: (MacBatch, VerifyMacBatch)](self, kind: type[B], attrs: dict[str, Any]) -> B:
        found = [
            mac_item_of(item["message"], item.get("mac"), item.get("key_version")) for item in attrs["items"]
        ]
        return kind(key_id=self.key_id_of(attrs["key_id"]), items=found)


class SignBatchView(_BatchView):
    """Sign up to 1,000 messages or digests with one key. Each result is a signature or a separate problem."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=SignBatchSerializer, responses=SignedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(SignBatchSerializer)
        batch = proof_batches.sign_batch(self.signature_batch(SignBatch, attrs), self.principal)
        names = {"member": "signature", "algorithm": "signing_algorithm"}
        return Response(answer_of(batch, references_of(attrs), **names))


class VerifyBatchView(_BatchView):
    """Verify up to 1,000 signatures of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=VerifyBatchSerializer, responses=VerifiedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(VerifyBatchSerializer)
        batch = proof_batches.verify_batch(self.signature_batch(VerifyBatch, attrs), self.principal)
        names = {"member": "valid", "algorithm": "signing_algorithm"}
        return Response(answer_of(batch, references_of(attrs), **names))


class MacBatchView(_BatchView):
    """Compute the MACs of up to 1,000 messages with one key. Each result is a MAC or a separate problem."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    @extend_schema(request=MacBatchSerializer, responses=ComputedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(MacBatchSerializer)
        batch = proof_batches.compute_mac_batch(self.mac_batch(MacBatch, attrs), self.principal)
        return Response(answer_of(batch, references_of(attrs), member="mac"))


class VerifyMacBatchView(_BatchView):
    """Verify up to 1,000 MACs of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}

    @extend_schema(request=VerifyMacBatchSerializer, responses=VerifiedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(VerifyMacBatchSerializer)
        batch = proof_batches.verify_mac_batch(self.mac_batch(VerifyMacBatch, attrs), self.principal)
        return Response(answer_of(batch, references_of(attrs), member="valid"))


class SignJwtView(OperationView, KeyReferenceView):
    """Sign claims as a JWT with the primary version of a key."""

    rules = {"POST": Rule("crypto.jwt", actions.JWT_SIGNED)}

    @extend_schema(request=SignJwtSerializer, responses=SignedJwtSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(SignJwtSerializer)
        wanted = JwtRequest(**{**attrs, "key_id": self.key_id_of(attrs["key_id"])})
        return Response(represent(SignedJwtSerializer, jwts.sign_jwt(wanted, self.principal)))


class CsrView(KeyReferenceView):
    """Sign a request for a certificate of the key's primary version."""

    rules = {"POST": Rule("crypto.sign", actions.CSR_SIGNED)}
    object_reference = ("key", "key_id")

    @extend_schema(request=CsrSerializer, responses=SignedCsrSerializer)
    def post(self, _request: Request, key_id: KeyReference) -> Response:
        wanted = CsrRequest(key_id=self.key_id_of(key_id), **self.read(CsrSerializer))
        return Response(represent(SignedCsrSerializer, csr.sign_csr(wanted, self.principal)))
