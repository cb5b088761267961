"""Bounds of what a connection parses at a time."""

from ciphercanary.server.connections.bounded_parser import ALL_HEADS, BoundedParser
from ciphercanary.server.connections.byte_budget import ByteBudget
from tests.server.test_bounded_connection import Pieces


def test_chunked_framing_is_parsed_in_pieces_of_8_kibibytes():
    pieces = Pieces(content_length=None)
    pieces.is_chunked = True
    bounded = BoundedParser(pieces, ByteBudget(ALL_HEADS), lambda: None)
    bounded.end_head()
    bounded.feed(bytes(20 * 1024))
    assert pieces.fed == [8 * 1024, 8 * 1024, 4 * 1024]
