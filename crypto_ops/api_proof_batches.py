"""The REST interface to batches of signatures and MACs."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, items, proof_batches
from crypto_ops.api import OperationView, charge_the_rest, references_of
from crypto_ops.mac_serializers import (
    ComputedMacBatchSerializer,
    MacBatchSerializer,
    VerifiedMacBatchSerializer,
    VerifyMacBatchSerializer,
)
from crypto_ops.proof_batches import MacBatch, SignatureBatch
from crypto_ops.signature_serializers import (
    SignBatchSerializer,
    SignedBatchSerializer,
    VerifiedBatchSerializer,
    VerifyBatchSerializer,
)
from kernel.rest import Rule, StrictSerializer
from keys.reading.rest_references import KeyReferenceView


class _BatchView(OperationView, KeyReferenceView):
    def read_batch(self, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """Raises Throttled."""
        attrs: dict[str, Any] = self.read(serializer)
        charge_the_rest(self.principal, len(attrs["items"]))
        return attrs

    def signature_batch(self, attrs: dict[str, Any]) -> SignatureBatch:
        found = [
            items.signature_item_of(
                item.get("message"),
                item.get("digest"),
                item.get("signature"),
                item.get("key_version"),
                mode=attrs["mode"],
            )
            for item in attrs["items"]
        ]
        key_id, encoding = self.key_id_of(attrs["key_id"]), attrs.get("encoding", "der")
        return SignatureBatch(mode=attrs["mode"], key_id=key_id, items=found, encoding=encoding)

    def mac_batch(self, attrs: dict[str, Any]) -> MacBatch:
        found = [
            items.mac_item_of(item["message"], item.get("mac"), item.get("key_version"))
            for item in attrs["items"]
        ]
        return MacBatch(key_id=self.key_id_of(attrs["key_id"]), items=found)


class SignBatchView(_BatchView):
    """Sign up to 1,000 messages or digests with one key. Each result is a signature or a separate problem."""

    rules = {"POST": Rule("crypto.sign", actions.MESSAGE_SIGNED)}

    @extend_schema(request=SignBatchSerializer, responses=SignedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(SignBatchSerializer)
        batch = proof_batches.sign_batch(self.signature_batch(attrs), self.principal)
        names = {"member": "signature", "algorithm": "signing_algorithm"}
        return Response(items.answer_of(batch, references_of(attrs), **names))


class VerifyBatchView(_BatchView):
    """Verify up to 1,000 signatures of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.SIGNATURE_VERIFIED)}

    @extend_schema(request=VerifyBatchSerializer, responses=VerifiedBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(VerifyBatchSerializer)
        batch = proof_batches.verify_batch(self.signature_batch(attrs), self.principal)
        names = {"member": "valid", "algorithm": "signing_algorithm"}
        return Response(items.answer_of(batch, references_of(attrs), **names))


class MacBatchView(_BatchView):
    """Compute the MACs of up to 1,000 messages with one key. Each result is a MAC or a separate problem."""

    rules = {"POST": Rule("crypto.mac", actions.MAC_COMPUTED)}

    @extend_schema(request=MacBatchSerializer, responses=ComputedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(MacBatchSerializer)
        batch = proof_batches.compute_mac_batch(self.mac_batch(attrs), self.principal)
        return Response(items.answer_of(batch, references_of(attrs), member="mac"))


class VerifyMacBatchView(_BatchView):
    """Verify up to 1,000 MACs of one key. Each result is ``valid`` or a separate problem."""

    rules = {"POST": Rule("crypto.verify", actions.MAC_VERIFIED)}

    @extend_schema(request=VerifyMacBatchSerializer, responses=VerifiedMacBatchSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read_batch(VerifyMacBatchSerializer)
        batch = proof_batches.verify_mac_batch(self.mac_batch(attrs), self.principal)
        return Response(items.answer_of(batch, references_of(attrs), member="valid"))
