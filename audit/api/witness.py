"""The witness for logs of other installations: the HTTP interface of C2SP tlog-witness. The routes are public."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.log.events import Actor
from audit.services import witness
from kernel import throttle
from kernel.errors import VersionConflict
from kernel.http.context import in_context
from kernel.rest.parsers import BytesParser
from kernel.rest.renderers import PlainTextRenderer
from kernel.rest.views import ApiView
from kernel.rules import PUBLIC, Caller, Rule

_SIZE_TYPE = "text/x.tlog.size"


class _WitnessView(ApiView[Caller]):
    """Without authentication: the signature of the log authenticates a checkpoint."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    renderer_classes = [PlainTextRenderer]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        throttle.check_address(in_context(request), group="witness", rate=settings.CC_THROTTLE_ANONYMOUS)


class AddCheckpointView(_WitnessView):
    parser_classes = [BytesParser]
    max_body_bytes = 128 * 1024
    rules = {"POST": Rule(PUBLIC, actions.CHECKPOINT_COSIGNED)}

    @extend_schema(
        operation_id="witness_add_checkpoint",
        request={"text/plain": OpenApiTypes.STR},
        responses=OpenApiTypes.STR,
    )
    def post(self, request: Request) -> Response:
        """Cosign a checkpoint of a log in ``CC_WITNESS_FOR`` (C2SP tlog-witness, add-checkpoint)."""
        context = in_context(request)
        actor = Actor.anonymous(context.client_ip, request.headers.get("User-Agent", ""), context.request_id)
        return Response(witness.add_checkpoint(actor=actor, body=cast("bytes", request.data or b"")))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]  # any response will do
        """C2SP tlog-witness defines the body of a response with status 409."""
        if not isinstance(exc, VersionConflict) or "size" not in exc.extra:
            return super().handle_exception(exc)
        in_context(self.request).refusal = exc
        return HttpResponse(f"{exc.extra['size']}\n", _SIZE_TYPE, status=HTTPStatus.CONFLICT)


class WitnessKeyView(_WitnessView):
    rules = {"GET": Rule(PUBLIC, actions.WITNESS_KEY_READ)}

    @extend_schema(operation_id="witness_key_read", responses=OpenApiTypes.STR)
    def get(self, _request: Request) -> Response:
        """The key that cosigns checkpoints of other logs, as a C2SP vkey."""
        return Response(f"{witness.find_witness_key().vkey}\n")


class CosignedCheckpointView(_WitnessView):
    rules = {"GET": Rule(PUBLIC, actions.COSIGNED_CHECKPOINT_READ)}

    @extend_schema(operation_id="witness_checkpoint_read", responses=OpenApiTypes.STR)
    def get(self, _request: Request, origin_hash: str) -> Response:
        """The newest checkpoint of a log that this installation cosigned. The path has the SHA-256 of its origin."""
        return Response(witness.newest_cosigned(origin_hash))
