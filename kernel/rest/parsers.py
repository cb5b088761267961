"""The parsers of request bodies: strict JSON, or bytes, within the limit of the view."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from kernel.http.context import in_context
from kernel.http.problems import ProtocolError
from kernel.http.protocol_refusals import body_too_large
from kernel.http.strict_json import loads


class BytesParser(BaseParser):
    """The bytes of the body, of any media type, within the body limit."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = parser_context or {}
        request, view = context["request"], context["view"]
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise ProtocolError(
                "Send the body without Content-Encoding.",
                status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                code="unsupported_media_type",
            )
        limit = view.max_body_bytes or settings.CC_MAX_BODY_BYTES
        body = in_context(request).json_body = stream.read(limit + 1)
        if len(body) > limit:
            raise body_too_large(limit)
        return body


class StrictJSONParser(BytesParser):
    """UTF-8 JSON without duplicate keys, NaN, lone surrogates or deep nesting, within the body limit."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return loads(super().parse(stream, media_type, parser_context))
