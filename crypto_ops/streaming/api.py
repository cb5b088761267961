"""The REST views of streams. They check permissions and parameters; their caller transfers the bytes.

Under ``streaming.endpoint`` they return a stream that has begun, and that module transfers a body of any size
through it. Under the bridge they are the reference implementation: the whole body, within its limit, at once.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from crypto_ops import actions
from crypto_ops.requests import MAX_HEADER_AAD_BYTES
from crypto_ops.streaming.services.streams import Decryption, Encryption, Stream
from kernel.crypto.encoding import decode_base64
from kernel.errors import DomainError
from kernel.http import problems
from kernel.http.context import ContextRequest, in_context
from kernel.http.problems import ProtocolError
from kernel.rest.fields import StrictSerializer
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceField, KeyReferenceView

OCTETS: Final = "application/octet-stream"
_AAD_HEADER: Final = "X-AAD"
# Key in the WSGI environment, where no header can set it: a list that receives the stream. Its owner ends the
# stream.
TAKES_STREAM: Final = "ciphercanary.takes_stream"

_SCHEMA: Final[Mapping[str, Any]] = {
    "request": {OCTETS: OpenApiTypes.BINARY},
    "responses": {(HTTPStatus.OK.value, OCTETS): OpenApiTypes.BINARY},
}
AAD_PARAMETER: Final = OpenApiParameter(
    _AAD_HEADER,
    {"type": "string", "contentEncoding": "base64", "maxLength": (MAX_HEADER_AAD_BYTES + 2) // 3 * 4},
    OpenApiParameter.HEADER,
)


type _Refusal = Callable[[ContextRequest, DomainError], HttpResponse]


class _OctetRenderer(BaseRenderer):
    """Exists only for the Accept header: stream data does not pass through DRF."""

    media_type = OCTETS
    format = "octets"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> Any:
        return data


class _StreamQuery(StrictSerializer):
    key_id = KeyReferenceField()


class StreamResponse(HttpResponse):
    """A response without its body, which comes from ``stream``. ``refusal`` renders an error of the stream."""

    def __init__(self, request: ContextRequest, stream: Stream, refusal: _Refusal, **head: Any) -> None:
        super().__init__(**head)
        self.request = request
        self.stream = stream
        self.refusal = refusal


class _StreamView(KeyReferenceView):
    renderer_classes = [_OctetRenderer]

    def respond_with(self, stream: Stream) -> HttpResponse:
        return stream_response(in_context(self.request), stream, content_type=OCTETS)

    def read_aad(self) -> bytes:
        """The aad from the headers. Checks the media type of the body first. Raises Invalid."""
        require_media_type(in_context(self.request), OCTETS)
        return decode_aad(in_context(self.request))


class EncryptStreamView(_StreamView):
    """Encrypt a body of any size. The first bytes of the response name the key and its version."""

    rules = {"POST": Rule("crypto.encrypt", actions.STREAM_ENCRYPTED)}

    @extend_schema(parameters=[_StreamQuery, AAD_PARAMETER], **_SCHEMA)
    def post(self, _request: Request) -> HttpResponse:
        key_id = self.key_id_of(self.read_query(_StreamQuery)["key_id"])
        aad = self.read_aad()
        return self.respond_with(Encryption(self.principal, key_id=key_id, aad=aad))


class DecryptStreamView(_StreamView):
    """Decrypt an encrypted stream. The response starts only after the whole stream has been verified."""

    rules = {"POST": Rule("crypto.decrypt", actions.STREAM_DECRYPTED)}

    @extend_schema(parameters=[AAD_PARAMETER], **_SCHEMA)
    def post(self, _request: Request) -> HttpResponse:
        self.read_query(StrictSerializer)
        aad = self.read_aad()
        return self.respond_with(Decryption(self.principal, aad=aad))


def stream_response(
    request: ContextRequest, stream: Stream, *, refusal: _Refusal = problems.render, **head: Any
) -> HttpResponse:
    """The response with the output of the stream. ``head``: the arguments of ``HttpResponse``. Raises refusals."""
    if TAKES_STREAM in request.META:
        request.META[TAKES_STREAM].append(stream)
        return StreamResponse(request, stream, refusal, **head)
    try:
        with stream:
            octets = stream.write(request.body) + b"".join(stream.finish())
    finally:
        request.audit_object = ("key", str(stream.named_key or ""))
    return HttpResponse(octets, **head)


def decode_aad(request: ContextRequest) -> bytes:
    """Raises Invalid."""
    sent = request.headers.get(_AAD_HEADER, "")
    return decode_base64(sent, field=_AAD_HEADER, max_bytes=MAX_HEADER_AAD_BYTES)


def require_media_type(request: ContextRequest, *types: str) -> None:
    """Raises ProtocolError unless the body has one of these media types, and no encoding."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise _unsupported("Send the body without Content-Encoding.")
    if request.content_type not in types:
        raise _unsupported(f"Use the content type {' or '.join(types)}.")


def _unsupported(detail: str) -> ProtocolError:
    return ProtocolError(detail, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, code="unsupported_media_type")
