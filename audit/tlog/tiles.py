"""The tree as tiles, and the entries as bundles (C2SP tlog-tiles).

A tile has up to 256 consecutive hashes of one level. Tile (level, number) has the nodes of height 8 * level from
number * 256 on. Nodes in between are computed. A full tile never changes; only the last tile of each level grows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from audit.tlog.merkle import HASH_SIZE, Frontier, HashReader, complete_root

HEIGHT: Final = 8
WIDTH: Final = 2**HEIGHT
_MAX_ENTRY_SIZE: Final = 2**16 - 1  # bytes: its length is a uint16


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """``tile/0/x001/x234/067``, with ``.p/W`` for a partial tile of width W."""
    return f"tile/{level}/{_number_path(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """``tile/entries/x001/x234/067``, with ``.p/W`` for a partial bundle of width W."""
    return f"tile/entries/{_number_path(number, width)}"


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, number, width) of every tile of a tree of ``size``, including partial tiles."""
    level = 0
    while size >> HEIGHT * level:
        hashes = size >> HEIGHT * level
        yield from ((level, number, WIDTH) for number in range(hashes // WIDTH))
        if hashes % WIDTH:
            yield level, hashes // WIDTH, hashes % WIDTH
        level += 1


def edge_tiles(size: int) -> list[tuple[int, int]]:
    """(level, number) of the partial tiles of a tree of ``size``. ``append`` needs and rewrites them."""
    counts = [size >> HEIGHT * level for level in range(size.bit_length() // HEIGHT + 1)]
    return [(level, count // WIDTH) for level, count in enumerate(counts) if count % WIDTH]


def reader(read_tile: Callable[[int, int], bytes]) -> HashReader:
    """A reader for the hash of any complete subtree, based on tiles.

    ``read_tile(level, number)`` returns the concatenated hashes of a tile. The reader raises ValueError if a tile has
    too few.
    """

    def read(level: int, index: int) -> bytes:
        first, count = index << level % HEIGHT, 1 << level % HEIGHT
        tile, number = level // HEIGHT, first // WIDTH
        hashes = _hashes(read_tile(tile, number))[first % WIDTH : first % WIDTH + count]
        if len(hashes) != count:
            raise ValueError(f"{tile_path(tile, number)} has too few hashes")
        return complete_root(hashes)

    return read


def append(
    size: int, edge: Mapping[tuple[int, int], bytes], leaves: Sequence[bytes]
) -> dict[tuple[int, int], bytes]:
    """All tiles that change when leaf hashes are appended to a tree of ``size``: (level, number) -> all their hashes.

    ``edge`` has the tiles of ``edge_tiles(size)``. Raises ValueError if one is missing or has another width.
    """
    changed: dict[tuple[int, int], bytes] = {}
    level, count, row = 0, size, list(leaves)
    while row:
        number, width = divmod(count, WIDTH)
        begun = _hashes(edge.get((level, number), b""))
        if len(begun) != width:
            raise ValueError(f"{tile_path(level, number)} is not that of a tree of {size} leaves")
        row = begun + row
        tiles = [row[at : at + WIDTH] for at in range(0, len(row), WIDTH)]
        changed |= {(level, number + at): b"".join(tile) for at, tile in enumerate(tiles)}
        row = [complete_root(tile) for tile in tiles if len(tile) == WIDTH]
        level, count = level + 1, number
    return changed


def frontier_of(size: int, partial: Mapping[tuple[int, int], bytes]) -> Frontier:
    """The right edge of a tree, from its partial tiles (``edge_tiles``). Raises ValueError if one is missing."""
    hashes: list[bytes] = []
    for position in reversed(edge_tiles(size)):
        hashes += Frontier.EMPTY.extended(_hashes(partial.get(position, b""))).hashes
    return Frontier(size, tuple(hashes))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry after its length (uint16, big-endian). Raises ValueError for an entry above 65,535 bytes."""
    if any(len(entry) > _MAX_ENTRY_SIZE for entry in entries):
        raise ValueError(f"an entry of a bundle has at most {_MAX_ENTRY_SIZE} bytes")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def _number_path(number: int, width: int) -> str:
    path = f"{number % 1000:03}"
    while number := number // 1000:
        path = f"x{number % 1000:03}/{path}"
    return path if width == WIDTH else f"{path}.p/{width}"


def _hashes(octets: bytes) -> list[bytes]:
    return [octets[at : at + HASH_SIZE] for at in range(0, len(octets), HASH_SIZE)]
