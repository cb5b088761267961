"""Responses with a file, which the server sends piece by piece."""

from typing import Any, Protocol

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from kernel.crypto.encoding import encode_base64

_BLOCK = 64 * 1024  # bytes


class _Content(Protocol):
    """A file, or an object that ``read`` computes. ``take_over`` of such an object is described in ``FileWrapper``."""

    def read(self, size: int = -1, /) -> bytes: ...
    def close(self) -> object: ...


def file_response(
    content: _Content | None, *, name: str, size: int, sha256: str, media_type: str
) -> HttpResponseBase:
    """The response, with the SHA-256 (hex) in ``Repr-Digest`` (RFC 9530). ``content`` is None for HEAD."""
    if content is None:
        response: HttpResponseBase = HttpResponse(content_type=media_type)
    else:
        filelike: Any = content
        response = FileResponse(filelike, content_type=media_type)
        response.block_size = _BLOCK
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or ""
    response["Repr-Digest"] = f"sha-256=:{encode_base64(bytes.fromhex(sha256))}:"
    return response
