"""Strict JSON: what two parsers could read differently is refused."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser

from ciphercanary.errors import Invalid
from ciphercanary.problems import ProtocolError
from ciphercanary.protocol_refusals import body_too_large

MAX_DEPTH = 20
# Of one object or list: what no endpoint reads would only cost time. The longest list of an endpoint has 1,000
# members; the refusal of a few more is its own, and names the field.
MAX_MEMBERS = 1024


class StrictJSONParser(BaseParser):
    """UTF-8 JSON without duplicate keys, NaN, lone surrogates or deep nesting, within the body limit."""

    media_type = "application/json"

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
        return loads(_read(stream, view.max_body_bytes or settings.CC_MAX_BODY_BYTES))


def _read(stream: IO[Any], limit: int) -> bytes:
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise body_too_large(limit)
    return body


def loads(body: bytes) -> object:
    """Decode a JSON text. Raises Invalid with the reason."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8.") from None
    except (ValueError, RecursionError):
        # The decoder's own message would quote the position only; the value itself is never echoed.
        raise Invalid("The body is not valid JSON.") from None
    _check(value, MAX_DEPTH)
    return value


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    _check_size(pairs)
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid("The body contains a duplicate member.")
    return members


def _check_size(members: list[Any]) -> None:
    if len(members) > MAX_MEMBERS:
        raise Invalid(f"An object or list in the body has more than {MAX_MEMBERS} members.")


def _refuse_constant(word: str) -> NoReturn:
    raise Invalid(f"{word} is not valid JSON.")


def _check(value: object, depth: int) -> None:
    if not depth:
        raise Invalid(f"The body is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check(member, depth - 1)
    elif isinstance(value, list):
        _check_size(value)
        for member in value:
            _check(member, depth - 1)


def _check_text(text: str) -> None:
    # A lone surrogate is legal in a JSON escape and in no database.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid("A string contains half of a surrogate pair.") from None
