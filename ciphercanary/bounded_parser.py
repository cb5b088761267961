"""gunicorn's request parser, with bounds for what it holds.

By itself it allows a head of half a mebibyte, keeps its largest buffer for as long as the connection lives, and drops what
comes more than 64 KiB behind a complete request. Here it is fed in pieces, and no further than to the end of a request.
While anything waits behind that, the connection reads no more: at most two reads of the event loop are held.
"""

from collections.abc import Callable
from typing import Any, Final

from ciphercanary.byte_budget import ByteBudget, Charge
from ciphercanary.protocol_refusals import head_too_large, overloaded

MAX_HEAD: Final = 32 * 1024  # bytes
ALL_HEADS: Final = 32 * 1024 * 1024  # bytes in each process
PIECE: Final = 64 * 1024  # of a body; the parser drops more than that behind a request
HEAD_PIECE: Final = 4 * 1024  # the size of the parser's first buffer: a larger piece would make it grow
# What the parser's buffer can grow to between two chunks: a piece, and a line of chunk extensions or trailers.
CHUNKED_BUFFER: Final = 128 * 1024


class TooMuchBehind(Exception):
    """There is no room for what the client has sent behind a complete request."""


class BoundedParser:
    """Charges to ``heads``: heads that do not arrive at once, chunked framing, and what waits behind a request.

    ``renew`` puts a new parser in the place of this one.
    """

    remaining_truncated: Final = False

    def __init__(self, parser: Any, heads: ByteBudget, renew: Callable[[], None]) -> None:
        self._parser = parser
        self._charge = Charge(heads)
        self._renew = renew
        self._behind = b""
        self._has_head = False
        self.unfinished = 0  # bytes of a head that is not complete

    def feed(self, data: bytes) -> None:
        """Raises ProtocolError, TooMuchBehind, and what the parser raises."""
        begin = 0
        while begin < len(data):
            if self._parser.is_complete:
                self._behind += data[begin:]
                break
            size = PIECE if self._has_head else min(HEAD_PIECE, MAX_HEAD - self.unfinished)
            piece = data[begin : begin + size]
            self._parser.feed(piece)
            begin += size
            if not self._has_head:
                self._charge_head(len(piece))
        if len(data) > HEAD_PIECE and self.has_more:
            self._charge_rest()

    def _charge_head(self, size: int) -> None:
        self.unfinished += size
        if self.unfinished >= MAX_HEAD:
            raise head_too_large(MAX_HEAD)
        if not self._charge.grow(size):
            raise overloaded()

    def _charge_rest(self) -> None:
        if not self._charge.grow(len(self._behind) + len(self._parser.remaining())):
            raise TooMuchBehind

    def end_head(self) -> None:
        """Call it when the parser has the whole head."""
        self._has_head = True
        self.unfinished = 0

    def charge_framing(self) -> None:
        """Call it before a body is accepted. Raises ProtocolError."""
        if self._parser.is_chunked and not self._charge.grow(CHUNKED_BUFFER):
            raise overloaded()

    @property
    def has_more(self) -> bool:
        """Whether something waits behind a complete request."""
        return bool(self._parser.is_complete and (self._behind or self._parser.remaining()))

    def remaining(self) -> bytes:
        return bytes(self._parser.remaining()) + self._behind

    def reset(self) -> None:
        """Begin the next request. A parser whose buffer has grown is replaced: it would keep the buffer."""
        has_grown = self._charge.size > HEAD_PIECE
        self.release()
        self._behind = b""
        self._has_head = False
        if has_grown:
            self._renew()
        else:
            self._parser.reset()

    def release(self) -> None:
        """Give back what is charged. A lost connection needs nothing else."""
        self._charge.release()
        self.unfinished = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)
