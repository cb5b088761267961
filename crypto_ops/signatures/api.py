"""The REST interface to signatures, MACs, JWTs and certificate signing requests."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.items.api import BatchView, MessageView
from crypto_ops.items.wire import answer_of
from crypto_ops.signatures import wire
from crypto_ops.signatures.serializers import (
    ComputedMacBatchSerializer,
    ComputedMacSerializer,
    CsrSerializer,
    MacVerificationSerializer,
    SignatureSerializer,
    SignedBatchSerializer,
    SignedCsrSerializer,
    SignedJwtSerializer,
    VerificationSerializer,
    VerifiedBatchSerializer,
    VerifiedMacBatchSerializer,
)
from crypto_ops.signatures.services import batches as proof_batches
from crypto_ops.signatures.services import csr, jwts, macs, signatures
from crypto_ops.signatures.services.csr import CsrRequest
from kernel.rest.derived import serializer_of
from kernel.rest.fields import represent
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView
from keys.references import KeyReference


class SignView(MessageView):
    """Sign a message or its digest with the primary version of a key."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=serializer_of(wire.Sign), responses=SignatureSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Sign, wire.sign_request)
        return Response(represent(SignatureSerializer, signatures.sign(wanted, self.principal)))


class VerifyView(MessageView):
    """Verify the signature of a message or its digest. A wrong signature is answered with ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=serializer_of(wire.Verify), responses=VerificationSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Verify, wire.verify_request)
        return Response(represent(VerificationSerializer, signatures.verify(wanted, self.principal)))


class MacView(MessageView):
    """Compute the MAC of a message with the primary version of a key."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    @extend_schema(request=serializer_of(wire.Mac), responses=ComputedMacSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Mac, wire.mac_request)
        return Response(represent(ComputedMacSerializer, macs.compute_mac(wanted, self.principal)))


class VerifyMacView(MessageView):
    """Verify the MAC of a message. A wrong MAC is answered with ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}

    @extend_schema(request=serializer_of(wire.VerifyMac), responses=MacVerificationSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.VerifyMac, wire.verify_mac_request)
        return Response(represent(MacVerificationSerializer, macs.verify_mac(wanted, self.principal)))


class SignBatchView(BatchView):
    """Sign up to 1,000 messages or digests with one key. Each result is a signature or a separate problem."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=serializer_of(wire.SignBatch), responses=SignedBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.SignBatch, wire.sign_batch)
        batch = proof_batches.sign_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="signature", algorithm="signing_algorithm"))


class VerifyBatchView(BatchView):
    """Verify up to 1,000 signatures of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=serializer_of(wire.VerifyBatch), responses=VerifiedBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.VerifyBatch, wire.verify_batch)
        batch = proof_batches.verify_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="valid", algorithm="signing_algorithm"))


class MacBatchView(BatchView):
    """Compute the MACs of up to 1,000 messages with one key. Each result is a MAC or a separate problem."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    @extend_schema(request=serializer_of(wire.MacBatch), responses=ComputedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.MacBatch, wire.mac_batch)
        batch = proof_batches.compute_mac_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="mac"))


class VerifyMacBatchView(BatchView):
    """Verify up to 1,000 MACs of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}

    @extend_schema(request=serializer_of(wire.VerifyMacBatch), responses=VerifiedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        message, wanted = self.read_batch(wire.VerifyMacBatch, wire.verify_mac_batch)
        batch = proof_batches.verify_mac_batch(wanted, self.principal)
        return Response(answer_of(batch, message, member="valid"))


class SignJwtView(MessageView):
    """Sign claims as a JWT with the primary version of a key."""

    rules = {"POST": Rule("crypto.jwt", actions.JWT_SIGNED)}

    @extend_schema(request=serializer_of(wire.SignJwt), responses=SignedJwtSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.SignJwt, wire.jwt_request)
        return Response(represent(SignedJwtSerializer, jwts.sign_jwt(wanted, self.principal)))


class CsrView(KeyReferenceView):
    """Sign a request for a certificate of the key's primary version."""

    rules = {"POST": Rule("crypto.sign", actions.CSR_SIGNED)}
    object_reference = ("key", "key_id")

    @extend_schema(request=CsrSerializer, responses=SignedCsrSerializer)
    def post(self, _request: Request, key_id: KeyReference) -> Response:
        wanted = CsrRequest(key_id=self.key_id_of(key_id), **self.read(CsrSerializer))
        return Response(represent(SignedCsrSerializer, csr.sign_csr(wanted, self.principal)))
