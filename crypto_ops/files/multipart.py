"""The file in a body of multipart/form-data (RFC 7578), piece by piece."""

from collections.abc import Callable, Mapping
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from kernel.errors import Invalid

FORM: Final = "multipart/form-data"
FIELD: Final = "file"
OVERHEAD: Final = 64 * 1024  # bytes of the body around the file
_MAX_FIELDS: Final = 8  # before the file, with up to
_MAX_FIELD: Final = 1000  # characters each
_DISPOSITION: Final = b"content-disposition"


class FilePart:
    """Finds the field ``file`` in a body.

    ``begin`` is called once, before the file or at the end of the body, with the fields before the file. It may raise.
    """

    def __init__(
        self, content_type: str, begin: Callable[[Mapping[str, str]], object] = lambda _fields: None
    ) -> None:
        """Raises Invalid unless the header has a boundary."""
        _, options = parse_options_header(content_type)
        self.name = ""
        self._begin: Callable[[Mapping[str, str]], object] | None = begin
        self._fields: dict[str, str] = {}
        self._other = ""
        self._found = self._is_file = self._is_complete = False
        self._pieces: list[bytes] = []
        self._around = 0  # bytes that are not of the file
        self._field, self._header = bytearray(), bytearray()
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda octets, start, end: self._field.extend(octets[start:end]),
                    "on_header_value": lambda octets, start, end: self._header.extend(octets[start:end]),
                    "on_header_end": self._end_header,
                    "on_part_data": self._add,
                    "on_end": self._end,
                },
            )
        except (KeyError, FormParserError):
            raise _malformed() from None

    def feed(self, octets: bytes) -> bytes:
        """The bytes of the file in the next part of the body. Raises Invalid for a malformed body or a second file."""
        try:
            self._parser.write(octets)
        except FormParserError:
            raise _malformed() from None
        pieces, self._pieces = self._pieces, []
        found = b"".join(pieces)
        self._around += len(octets) - len(found)
        if self._around > OVERHEAD:  # parsing many small parts takes long
            raise _malformed()
        return found

    def require_complete(self) -> None:
        """Raises Invalid unless the body was complete and had a file."""
        self._begin_once()
        if not self._is_complete:
            raise _malformed()
        if not self._found:
            raise Invalid.of_field(FIELD, "Send the file in a form field with this name.")

    def _begin_once(self) -> None:
        begin, self._begin = self._begin, None
        if begin is not None:
            begin(self._fields)

    def _begin_part(self) -> None:
        self._is_file, self._other = False, ""
        self._clear_header()

    def _end_header(self) -> None:
        if bytes(self._field).lower() == _DISPOSITION:
            _, options = parse_options_header(bytes(self._header))
            name = options.get(b"name", b"").decode("utf-8", "replace")
            if name == FIELD:
                if self._found:
                    raise Invalid.of_field(FIELD, "Send one file.")
                self._begin_once()
                self._found = self._is_file = True
                self.name = options.get(b"filename", b"").decode("utf-8", "replace")
            elif not self._found and len(self._fields) < _MAX_FIELDS:
                self._other = name
        self._clear_header()

    def _clear_header(self) -> None:
        self._field.clear()
        self._header.clear()

    def _add(self, octets: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._pieces.append(octets[start:end])
        elif self._other:
            value = self._fields.get(self._other, "") + octets[start:end].decode("utf-8", "replace")
            self._fields[self._other] = value[:_MAX_FIELD]

    def _end(self) -> None:
        self._is_complete = True


def _malformed() -> Invalid:
    return Invalid(
        "The body is not complete multipart/form-data. Send the file as the raw body, or in a form."
    )
