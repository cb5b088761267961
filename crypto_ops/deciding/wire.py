"""The common parts of the bodies of operations, and of their responses.

The fast path reads the structs with msgspec. The REST interface reads the same structs, but first it words the errors
of their members with the serializers that ``kernel.rest.derived`` makes from them.

Both are equally strict: they refuse unknown members, other JSON types, null, and numbers out of range. If a member
occurs twice, msgspec keeps the last one, but the REST interface refuses both: ``is_unambiguous`` detects this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct
from rest_framework.serializers import Serializer

from crypto_ops.deciding.services import KeyRequest, Result
from crypto_ops.requests import MAX_AAD_BYTES
from kernel.crypto.modes import Mode
from kernel.rest.derived import Rest, serializer_of
from kernel.rest.fields import Base64Field, ModeField, SigningModeField, StrictSerializer
from keys import references
from keys.metadata import MAX_VERSION
from keys.reading.rest_references import KeyReferenceField, VersionField

type KeyText = Annotated[str, Meta(max_length=references.MAX_LENGTH), Rest(KeyReferenceField)]
type Version = Annotated[int, Meta(ge=1, le=MAX_VERSION), Rest(VersionField)]
type ModeName = Annotated[str, Rest(ModeField, max_length=50)]
type SigningModeName = Annotated[str, Rest(SigningModeField, max_length=50)]
type Aad = Annotated[str, Rest(Base64Field, max_bytes=MAX_AAD_BYTES)]
encode_json = msgspec.json.Encoder().encode
_QUOTE, _ESCAPE = b'"', b"\\"


class RequestBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a JSON object, in the order of the documentation; members that were not sent are UNSET."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # texts stay out of logs and tracebacks

    @property
    def quotes(self) -> int:
        """The number of quotes of the object without escapes: two for each member name and two for each text."""
        return sum(
            2 + _quotes_of(value)
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        )


@dataclass(frozen=True, slots=True)
class Codec[M: RequestBody, R: Result]:
    """How the REST interface and the fast path read the bodies of an operation, and write its responses.

    ``request``: raises Invalid, UnsupportedAlgorithm. ``response``: describes what ``write`` returns.
    """

    body: type[M]
    request: Callable[[M], KeyRequest[R]]
    write: Callable[[R, M], bytes]
    response: type[Serializer[Any]]

    @property
    def serializer(self) -> type[StrictSerializer]:
        """Of the body."""
        return serializer_of(self.body)


class _KeyResult(Protocol):
    """The result of an operation with a key. ``key_version``: None if no version verified it."""

    @property
    def mode(self) -> Mode: ...
    @property
    def key_id(self) -> UUID: ...
    @property
    def key_version(self) -> int | None: ...


def is_unambiguous(body: bytes, message: RequestBody) -> bool:
    """Whether the body names each member once and uses no escapes, according to its number of quotes."""
    return _ESCAPE not in body and body.count(_QUOTE) == message.quotes


def _quotes_of(value: object) -> int:
    if isinstance(value, list):
        return sum(item.quotes for item in value)
    return 0 if isinstance(value, int) else 2


def encode_result(result: _KeyResult, algorithm: str, **members: object) -> bytes:
    """The response with ``members`` and the key; ``algorithm``: the name of the member for the mode."""
    key = {algorithm: result.mode.name, "key_id": result.key_id, "key_version": result.key_version}
    return encode_json({**members, **key})
