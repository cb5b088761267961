import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog import merkle, tiles

LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(70_000)]


def grown(*sizes):
    """All tiles of a tree that grew through these sizes; later versions of a tile replace earlier ones."""
    known, size = {}, 0
    for target in sizes:
        edge = {place: known[place] for place in tiles.edge_tiles(size)}
        known |= tiles.append(size, edge, LEAVES[size:target])
        size = target
    return known


def shapes(known):
    return sorted((level, number, len(octets) // 32) for (level, number), octets in known.items())


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ((0, 0), "tile/0/000"),
        ((0, 5, 112), "tile/0/005.p/112"),
        ((1, 999), "tile/1/999"),
        ((1, 1000), "tile/1/x001/000"),
        ((0, 1234067), "tile/0/x001/x234/067"),
        ((2, 1234067, 1), "tile/2/x001/x234/067.p/1"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(arguments, path):
    assert tiles.tile_path(*arguments) == path


def test_a_bundle_has_the_path_of_the_specification():
    assert tiles.entries_path(1234067) == "tile/entries/x001/x234/067"
    assert tiles.entries_path(273, 112) == "tile/entries/273.p/112"


def test_the_tiles_of_70_000_leaves_are_those_of_the_specification():
    found = list(tiles.tiles_of(70_000))
    assert found == [
        *((0, number, 256) for number in range(273)),
        (0, 273, 112),
        (1, 0, 256),
        (1, 1, 17),
        (2, 0, 1),
    ]
    assert shapes(grown(70_000)) == found


def test_a_tree_of_256_has_a_full_tile_and_a_partial_one_above():
    assert list(tiles.tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles.tiles_of(0)) == []


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_the_edge_tiles_are_the_partial_ones(size):
    partial = [(level, number) for level, number, width in tiles.tiles_of(size) if width < tiles.WIDTH]
    assert tiles.edge_tiles(size) == partial


@given(st.lists(st.integers(0, 1500), max_size=6))
def test_tiles_are_the_same_however_the_tree_was_grown(sizes):
    sizes = sorted(sizes)
    known = grown(*sizes)
    assert known == grown(*sizes[-1:])
    assert shapes(known) == sorted(tiles.tiles_of(sizes[-1] if sizes else 0))


def test_a_tile_holds_the_hashes_of_its_definition():
    known = grown(1, 300, 70_000)
    assert known[0, 1] == b"".join(LEAVES[256:512])
    tree = [merkle.complete_root(LEAVES[at : at + 256]) for at in range(0, 69_888, 256)]
    assert known[1, 1] == b"".join(tree[256:])
    assert known[2, 0] == merkle.complete_root(tree[:256])


def test_only_tiles_that_change_are_given():
    known = grown(69_998)
    edge = {place: known[place] for place in tiles.edge_tiles(69_998)}
    assert set(tiles.append(69_998, edge, LEAVES[69_998:])) == {(0, 273)}
    assert tiles.append(69_998, edge, []) == {}


@pytest.mark.parametrize("octets", [b"", bytes(32), bytes(96)])
def test_an_edge_of_another_tree_is_refused(octets):
    with pytest.raises(ValueError, match=r"tile/0/000 is not that of a tree of 2 leaves"):
        tiles.append(2, {(0, 0): octets}, LEAVES[:1])
    with pytest.raises(ValueError, match=r"tile/0/000"):
        tiles.append(2, {}, LEAVES[:1])


def test_every_complete_subtree_is_read_from_tiles():
    known = grown(70_000)
    read = tiles.reader(lambda level, number: known[level, number])
    for level, index in ((0, 69_999), (3, 8749), (7, 545), (8, 272), (9, 135), (15, 1), (16, 0)):
        leaves = LEAVES[index << level : (index + 1) << level]
        assert read(level, index) == merkle.complete_root(leaves)


def test_the_root_and_proofs_come_from_tiles_alone():
    known = grown(70_000)
    read = tiles.reader(lambda level, number: known[level, number])
    root = merkle.root(70_000, read)
    assert root == merkle.Frontier.EMPTY.extended(LEAVES).root()
    merkle.verify_inclusion(
        LEAVES[65_536], 65_536, 70_000, merkle.inclusion_proof(65_536, 70_000, read), root
    )


def test_a_tile_that_is_too_short_is_not_read_past_its_end():
    known = grown(300)
    read = tiles.reader(lambda level, number: known[level, number])
    with pytest.raises(ValueError, match=r"tile/0/001 has too few hashes"):
        read(0, 300)
    with pytest.raises(ValueError, match=r"tile/1/000 has too few hashes"):
        read(8, 1)
    with pytest.raises(ValueError, match=r"tile/0/001 has too few hashes"):
        read(7, 2)


def test_a_bundle_has_the_bytes_of_the_specification():
    assert tiles.encode_bundle([b"", b"ab", b"c" * 258]) == b"\x00\x00\x00\x02ab\x01\x02" + b"c" * 258


def test_an_entry_of_65_535_bytes_is_the_largest():
    largest = bytes(65_535)
    assert tiles.encode_bundle([largest]) == b"\xff\xff" + largest
    with pytest.raises(ValueError, match="65535"):
        tiles.encode_bundle([b"", largest + b"x"])


@pytest.mark.parametrize("size", [0, 1, 256, 300, 65_537])
def test_the_edge_of_a_tree_comes_from_its_partial_tiles(size):
    known = grown(size)
    assert tiles.frontier_of(size, known) == merkle.Frontier.EMPTY.extended(LEAVES[:size])


def test_the_edge_needs_each_partial_tile():
    with pytest.raises(ValueError, match="a tree of 1 leaves"):
        tiles.frontier_of(1, {})


def test_a_tree_of_one_leaf_does_not_grow_without_its_tile():
    with pytest.raises(ValueError, match="tile/0/000"):
        tiles.append(1, {}, LEAVES[1:2])
