"""Conditional requests (RFC 9110 section 13): ``ETag`` and ``If-Match`` name an object's revision."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from kernel.errors import Invalid
from kernel.http.problems import ProtocolError
from kernel.trust.row_mac import MacProtectedRow

_HEADER: Final = "If-Match"
# Possessive quantifiers: a header that does not match takes linear time.
_ELEMENT: Final = re.compile(r'[ \t]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")?+[ \t]*+(?:,|\Z)')

ETAG: Final = OpenApiParameter(
    "ETag",
    {"type": "string"},
    OpenApiParameter.HEADER,
    response=True,
    description="Changes whenever the object changes.",
)
IF_MATCH: Final = OpenApiParameter(
    _HEADER,
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="`*`, or a list of entity tags. If the object has none of these tags, the response is 412.",
)


def etag_of(revision: int) -> str:
    """The strong entity tag of an object's revision."""
    return f'"{revision}"'


def etags_to_match(request: Request) -> frozenset[str] | None:
    """The strong tags of ``If-Match``; None if it accepts any revision. Raises Invalid for a malformed header.

    Weak tags are omitted because they never match in a strong comparison (RFC 9110 section 13.1.1).
    """
    header = request.headers.get(_HEADER)
    if header is None or header.strip(" \t") == "*":
        return None
    tags, position = [], 0
    while position < len(header):
        element = _ELEMENT.match(header, position)
        if element is None:
            raise _not_understood()
        tags += [element[1]] if element[1] else []
        position = element.end()
    if not tags:
        raise _not_understood()
    return frozenset(tag for tag in tags if not tag.startswith("W/"))


def if_match(request: Request) -> Callable[[MacProtectedRow], None]:
    """The check of a locked object against ``If-Match``. Raises Invalid for a malformed header.

    The check raises ProtocolError with 412 (RFC 9110 section 15.5.13).
    """
    etags = etags_to_match(request)

    def check(stored: MacProtectedRow) -> None:
        if etags is not None and etag_of(stored.revision) not in etags:
            raise ProtocolError(
                "The object has changed since you read it. Read it again, then retry.",
                status=HTTPStatus.PRECONDITION_FAILED,
                code="version_conflict",
            )

    return check


def _not_understood() -> Invalid:
    return Invalid.of_field(
        _HEADER, 'Expected * or a list of entity tags, such as "7", as in the ETag header.'
    )
