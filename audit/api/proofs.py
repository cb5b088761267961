"""Proofs of the log, its checkpoints, and the keys that verify them."""

from collections.abc import Sequence

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.models import READ_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.serializers.logs import (
    CheckpointQuerySerializer,
    CheckpointSerializer,
    ConsistencyProofSerializer,
    ConsistencyQuerySerializer,
    InclusionProofSerializer,
)
from audit.services import proofs, showing
from kernel.rest.renderers import PlainTextRenderer
from kernel.rest.views import ApiView
from kernel.rules import PUBLIC, Caller, Rule

_KEYS_MAX_AGE = 300  # seconds; a new key signs only after a checkpoint covers its publication


class ProofView(ShowsLog, ApiView[Caller]):
    renderer_classes = [JSONRenderer, PlainTextRenderer]
    rules = {"GET": Rule(READ_PERMISSION, actions.PROOF_READ)}
    object_reference = ("audit_log", "log_id")

    @extend_schema(
        responses={
            (200, JSONRenderer.media_type): InclusionProofSerializer,
            (200, PlainTextRenderer.media_type): OpenApiTypes.STR,
        }
    )
    def get(self, request: Request, log_id: int) -> Response:
        """Inclusion proof of an entry: a C2SP tlog-proof, as a member of a JSON object or as plain text."""
        proof = proofs.prove_entry(showing.show_entry(reader=self.principal, log_id=log_id))
        if isinstance(request.accepted_renderer, PlainTextRenderer):
            named = f'attachment; filename="{proof.file_name}"'
            return Response(proof.text, headers={"Content-Disposition": named})
        return Response(InclusionProofSerializer(proof).data)


class CheckpointView(ApiView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.CHECKPOINT_READ)}

    @extend_schema(parameters=[CheckpointQuerySerializer], responses=CheckpointSerializer)
    def get(self, _request: Request) -> Response:
        """The newest signed checkpoint, or the one of the given size, and how far sequencing lags behind the log."""
        head = proofs.find_checkpoint(reader=self.principal, **self.read_query(CheckpointQuerySerializer))
        return Response(CheckpointSerializer(head).data)


class ConsistencyView(ApiView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.CONSISTENCY_READ)}

    @extend_schema(parameters=[ConsistencyQuerySerializer], responses=ConsistencyProofSerializer)
    def get(self, _request: Request) -> Response:
        """Prove that the tree of size ``to`` begins with the tree of size ``from`` (RFC 9162 section 2.1.4)."""
        query = self.read_query(ConsistencyQuerySerializer)
        proof = proofs.prove_consistency(reader=self.principal, **query)
        return Response(ConsistencyProofSerializer(proof).data)


class CheckpointKeysView(ApiView[Caller]):
    """The public keys of past, current and upcoming checkpoints, one C2SP vkey per line."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    renderer_classes = [PlainTextRenderer]
    rules = {"GET": Rule(PUBLIC, actions.CHECKPOINT_KEYS_READ)}

    @extend_schema(operation_id="checkpoint_keys_read", responses=OpenApiTypes.STR)
    def get(self, _request: Request) -> Response:
        headers = {"Cache-Control": f"public, max-age={_KEYS_MAX_AGE}"}
        return Response("".join(f"{vkey}\n" for vkey in proofs.list_vkeys()), headers=headers)
