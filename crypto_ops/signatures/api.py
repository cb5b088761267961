"""The REST interface to signatures, MACs, JWTs and certificate signing requests."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.services import perform_measured
from crypto_ops.deciding.wire import Codec
from crypto_ops.items.api import BatchView, MessageView
from crypto_ops.items.wire import encode_batch
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
from crypto_ops.signatures.services.csr import CsrRequest
from kernel.rest.fields import represent
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView
from keys.references import KeyReference


class SignView(MessageView):
    """Sign a message or its digest with the primary version of a key."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}
    codec = Codec(wire.Sign, wire.sign_request, wire.signed, SignatureSerializer)


class VerifyView(MessageView):
    """Verify the signature of a message or its digest. A wrong signature returns ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}
    codec = Codec(wire.Verify, wire.verify_request, wire.verified, VerificationSerializer)


class MacView(MessageView):
    """Compute the MAC of a message with the primary version of a key."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}
    codec = Codec(wire.Mac, wire.mac_request, wire.mac_computed, ComputedMacSerializer)


class VerifyMacView(MessageView):
    """Verify the MAC of a message. A wrong MAC returns ``valid: false``."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}
    codec = Codec(wire.VerifyMac, wire.verify_mac_request, wire.mac_verified, MacVerificationSerializer)


class SignBatchView(BatchView):
    """Sign up to 1,000 messages or digests with one key. Each result is a signature or a separate problem."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}
    codec = Codec(
        wire.SignBatch,
        wire.sign_batch,
        partial(encode_batch, member="signature", algorithm="signing_algorithm"),
        SignedBatchSerializer,
    )


class VerifyBatchView(BatchView):
    """Verify up to 1,000 signatures of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}
    codec = Codec(
        wire.VerifyBatch,
        wire.verify_batch,
        partial(encode_batch, member="valid", algorithm="signing_algorithm"),
        VerifiedBatchSerializer,
    )


class MacBatchView(BatchView):
    """Compute the MACs of up to 1,000 messages with one key. Each result is a MAC or a separate problem."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}
    codec = Codec(
        wire.MacBatch, wire.mac_batch, partial(encode_batch, member="mac"), ComputedMacBatchSerializer
    )


class VerifyMacBatchView(BatchView):
    """Verify up to 1,000 MACs of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}
    codec = Codec(
        wire.VerifyMacBatch,
        wire.verify_mac_batch,
        partial(encode_batch, member="valid"),
        VerifiedMacBatchSerializer,
    )


class SignJwtView(MessageView):
    """Sign claims as a JWT with the primary version of a key."""

    rules = {"POST": Rule("crypto.jwt", actions.JWT_SIGNED)}
    codec = Codec(wire.SignJwt, wire.jwt_request, wire.jwt_signed, SignedJwtSerializer)


class CsrView(KeyReferenceView):
    """Sign a request for a certificate of the key's primary version."""

    rules = {"POST": Rule("crypto.sign", actions.CSR_SIGNED)}
    object_reference = ("key", "key_id")

    @extend_schema(request=CsrSerializer, responses=SignedCsrSerializer)
    def post(self, _request: Request, key_id: KeyReference) -> Response:
        wanted = CsrRequest(key_id=self.key_id_of(key_id), **self.read(CsrSerializer))
        return Response(represent(SignedCsrSerializer, perform_measured(wanted, self.principal)))
