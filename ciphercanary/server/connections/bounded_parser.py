"""gunicorn's request parser with bounded buffers.

By itself, gunicorn's parser allows a head of half a mebibyte, keeps its largest buffer for the life of the
connection, and drops data beyond 64 KiB after a complete request. This class feeds it in pieces and stops at the
end of a request. While more data is pending after that, the connection stops reading: it holds at most two reads of
the event loop.
"""

from collections.abc import Callable
from typing import Any, Final

from ciphercanary.server.connections.byte_budget import ByteBudget, Charge
from kernel.http.protocol_refusals import head_too_large, overloaded

MAX_HEAD: Final = 32 * 1024  # bytes
ALL_HEADS: Final = 32 * 1024 * 1024  # bytes in each process
PIECE: Final = 64 * 1024  # of a body; the parser drops more than that after a request
LARGE_PIECE: Final = 256 * 1024  # of a body that has more: as much as the event loop reads at a time
HEAD_PIECE: Final = 4 * 1024  # the size of the parser's first buffer: a larger piece would make it grow
# The parser keeps an incomplete line of chunk extensions or trailers (8190 bytes at most) and doubles its buffer if
# the next piece does not fit after it.
_CHUNKED_PIECE: Final = 8 * 1024
CHUNKED_BUFFER: Final = 16 * 1024


class TooMuchPendingData(Exception):
    """The budget has no room for the data that the client sent after a complete request."""


class BoundedParser:
    """Charges to ``heads``: heads that arrive in parts, chunked framing, and data pending after a request.

    ``renew`` replaces this parser with a new one.
    """

    # Slots make attribute access faster than a dictionary: each request reads attributes a dozen times.
    __slots__ = ("_charge", "_framing", "_has_head", "_left", "_parser", "_pending", "_renew", "unfinished")
    remaining_truncated: Final = False

    def __init__(self, parser: Any, heads: ByteBudget, renew: Callable[[], None]) -> None:
        self._parser = parser
        self._charge = Charge(heads)
        self._renew = renew
        self._pending = b""
        self._has_head = False
        self._left = 0  # bytes of the body that are still to come, at least
        self._framing: int | None = None  # bytes charged for chunked framing, if the body has it
        self.unfinished = 0  # bytes of a head that is not complete

    def feed(self, data: bytes) -> None:
        """Raises ProtocolError, TooMuchPendingData, and what the parser raises."""
        if self._has_head or self.unfinished or len(data) > HEAD_PIECE:
            self._feed_in_pieces(data)
            return
        self._parser.feed(data)
        if not self._has_head:
            self._charge_head(len(data))

    def _feed_in_pieces(self, data: bytes) -> None:
        begin = 0
        while begin < len(data):
            if self._parser.is_complete:
                self._pending += data[begin:]
                break
            piece = data[begin : begin + self._piece_size()]
            if self._framing is not None:
                self._charge_framing(self._framing, len(piece))
            self._parser.feed(piece)
            begin += len(piece)
            self._left -= len(piece)
            if not self._has_head:
                self._charge_head(len(piece))
        if len(data) > HEAD_PIECE and self.has_more:
            self._charge_rest()

    def _piece_size(self) -> int:
        if not self._has_head:
            return min(HEAD_PIECE, MAX_HEAD - self.unfinished)
        if self._framing is not None:
            return _CHUNKED_PIECE
        return max(PIECE, min(LARGE_PIECE, self._left))

    def _charge_head(self, size: int) -> None:
        self.unfinished += size
        if self.unfinished >= MAX_HEAD:
            raise head_too_large(MAX_HEAD)
        if not self._charge.grow(size):
            raise overloaded()

    def _charge_framing(self, charged: int, size: int) -> None:
        """Charge twice the bytes that arrive, up to the largest possible buffer. A silent client costs nothing."""
        size = min(2 * size, CHUNKED_BUFFER - charged)
        if not self._charge.grow(size):
            raise overloaded()
        self._framing = charged + size

    def _charge_rest(self) -> None:
        if not self._charge.grow(len(self._pending) + len(self._parser.remaining())):
            raise TooMuchPendingData

    def end_head(self) -> None:
        """Call this when the parser has the whole head."""
        self._has_head = True
        self._framing = 0 if self._parser.is_chunked else None
        self._left = (self._parser.content_length or 0) - HEAD_PIECE  # which the head's piece may contain
        self.unfinished = 0

    @property
    def has_more(self) -> bool:
        """Whether data is pending after a complete request."""
        return bool(self._parser.is_complete and (self._pending or self._parser.remaining()))

    def remaining(self) -> bytes:
        return bytes(self._parser.remaining()) + self._pending

    def reset(self) -> None:
        """Begin the next request. A parser whose buffer has grown is replaced because it would keep that buffer."""
        has_grown = self._charge.size > HEAD_PIECE or bool(self._framing)
        self.release()
        self._pending = b""
        self._has_head = False
        self._framing = None
        if has_grown:
            self._renew()
        else:
            self._parser.reset()

    def release(self) -> None:
        """Give back the charge. A lost connection needs no other cleanup."""
        self._charge.release()
        self.unfinished = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)
