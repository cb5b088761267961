"""gunicorn's request parser, with bounds for what it holds.

By itself it allows a head of half a mebibyte, keeps its largest buffer for as long as the connection lives, and drops what
comes more than 64 KiB behind a complete request. Here it is fed in pieces, and no further than to the end of a request.
While anything waits behind that, the connection reads no more: at most two reads of the event loop are held.
"""

from collections.abc import Callable
from typing import Any, Final

from ciphercanary.server.byte_budget import ByteBudget, Charge
from kernel.http.protocol_refusals import head_too_large, overloaded

MAX_HEAD: Final = 32 * 1024  # bytes
ALL_HEADS: Final = 32 * 1024 * 1024  # bytes in each process
PIECE: Final = 64 * 1024  # of a body; the parser drops more than that behind a request
HEAD_PIECE: Final = 4 * 1024  # the size of the parser's first buffer: a larger piece would make it grow
# The parser keeps a line of chunk extensions or trailers, of 8190 bytes at most, until it is whole, and doubles its buffer
# when the next piece does not fit behind it.
CHUNKED_PIECE: Final = 8 * 1024
CHUNKED_BUFFER: Final = 16 * 1024


class TooMuchBehind(Exception):
    """There is no room for what the client has sent behind a complete request."""


class BoundedParser:
    """Charges to ``heads``: heads that do not arrive at once, chunked framing, and what waits behind a request.

    ``renew`` puts a new parser in the place of this one.
    """

    # The attributes of an instance are found without a dictionary: each request reads them a dozen times.
    __slots__ = ("_behind", "_charge", "_framing", "_has_head", "_parser", "_renew", "unfinished")
    remaining_truncated: Final = False

    def __init__(self, parser: Any, heads: ByteBudget, renew: Callable[[], None]) -> None:
        self._parser = parser
        self._charge = Charge(heads)
        self._renew = renew
        self._behind = b""
        self._has_head = False
        self._framing: int | None = None  # bytes charged for chunked framing, if the body has it
        self.unfinished = 0  # bytes of a head that is not complete

    def feed(self, data: bytes) -> None:
        """Raises ProtocolError, TooMuchBehind, and what the parser raises."""
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
                self._behind += data[begin:]
                break
            piece = data[begin : begin + self._piece_size()]
            if self._framing is not None:
                self._charge_framing(self._framing, len(piece))
            self._parser.feed(piece)
            begin += len(piece)
            if not self._has_head:
                self._charge_head(len(piece))
        if len(data) > HEAD_PIECE and self.has_more:
            self._charge_rest()

    def _piece_size(self) -> int:
        if not self._has_head:
            return min(HEAD_PIECE, MAX_HEAD - self.unfinished)
        return PIECE if self._framing is None else CHUNKED_PIECE

    def _charge_head(self, size: int) -> None:
        self.unfinished += size
        if self.unfinished >= MAX_HEAD:
            raise head_too_large(MAX_HEAD)
        if not self._charge.grow(size):
            raise overloaded()

    def _charge_framing(self, charged: int, size: int) -> None:
        """Twice what arrives, until no buffer can be larger: a client that sends nothing is charged nothing."""
        size = min(2 * size, CHUNKED_BUFFER - charged)
        if not self._charge.grow(size):
            raise overloaded()
        self._framing = charged + size

    def _charge_rest(self) -> None:
        if not self._charge.grow(len(self._behind) + len(self._parser.remaining())):
            raise TooMuchBehind

    def end_head(self) -> None:
        """Call it when the parser has the whole head."""
        self._has_head = True
        self._framing = 0 if self._parser.is_chunked else None
        self.unfinished = 0

    @property
    def has_more(self) -> bool:
        """Whether something waits behind a complete request."""
        return bool(self._parser.is_complete and (self._behind or self._parser.remaining()))

    def remaining(self) -> bytes:
        return bytes(self._parser.remaining()) + self._behind

    def reset(self) -> None:
        """Begin the next request. A parser whose buffer has grown is replaced: it would keep the buffer."""
        has_grown = self._charge.size > HEAD_PIECE or bool(self._framing)
        self.release()
        self._behind = b""
        self._has_head = False
        self._framing = None
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
