import dataclasses
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog import merkle
from audit.tlog.merkle import Frontier, ProofInvalid

# The entries from Certificate Transparency's own tests for RFC 6962, and the roots of the trees over the
# first 1, 2 … 8 of them.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(300)]
LARGEST = 130


def naive_root(leaves):
    """MTH, literally as RFC 6962 section 2.1 defines it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def reader_of(leaves):
    known = {}

    def read(level, index):
        at = index << level
        assert at + (1 << level) <= len(leaves)
        if (level, index) not in known:
            known[level, index] = naive_root(leaves[at : at + (1 << level)])
        return known[level, index]

    return read


READ = reader_of(LEAVES)
NAIVE = [naive_root(LEAVES[:size]) for size in range(LARGEST + 1)]


def alterations(proof):
    """Each hash flipped, each dropped, one added at each place."""
    for at in range(len(proof)):
        yield [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
    for at in range(len(proof) + 1):
        yield [*proof[:at], bytes(32), *proof[at:]]


def test_leaf_and_node_hashes_are_those_of_rfc_6962():
    assert merkle.leaf_hash(b"entry") == hashlib.sha256(b"\x00entry").digest()
    assert merkle.node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
    assert ROOTS[0] == merkle.EMPTY_ROOT


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_published_trees_are_ours(size):
    leaves = list(map(merkle.leaf_hash, ENTRIES[:size]))
    assert merkle.root(size, reader_of(leaves)) == ROOTS[size]
    assert Frontier.EMPTY.extended(leaves).root() == ROOTS[size]


def test_a_published_inclusion_and_consistency_proof_is_ours():
    read = reader_of(list(map(merkle.leaf_hash, ENTRIES)))
    assert [each.hex() for each in merkle.inclusion_proof(5, 8, read)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [each.hex() for each in merkle.consistency_proof(6, 8, read)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_the_root_is_the_one_of_the_definition_at_every_size():
    for size in range(LARGEST + 1):
        assert merkle.root(size, READ) == Frontier.EMPTY.extended(LEAVES[:size]).root() == NAIVE[size]


@given(st.lists(st.integers(0, 70), max_size=5))
def test_a_tree_is_the_same_however_it_was_grown(steps):
    frontier = Frontier.EMPTY
    for step in steps:
        frontier = frontier.extended(LEAVES[frontier.size : min(frontier.size + step, len(LEAVES))])
    assert frontier == Frontier.EMPTY.extended(LEAVES[: frontier.size])
    assert frontier.root() == naive_root(LEAVES[: frontier.size])


def test_an_edge_holds_its_complete_subtrees_largest_first():
    assert Frontier.EMPTY.extended(LEAVES[:11]).hashes == (READ(3, 0), READ(1, 4), READ(0, 10))


def test_an_edge_survives_its_encoding():
    for size in (0, 1, 2, 7, 128, 255):
        frontier = Frontier.EMPTY.extended(LEAVES[:size])
        assert Frontier.decode(size, frontier.encode()) == frontier


@pytest.mark.parametrize(
    ("size", "octets"), [(-1, 32), (0, 32), (1, 0), (1, 31), (1, 33), (2, 64), (3, 32), (3, 96)]
)
def test_an_edge_of_another_size_is_refused(size, octets):
    with pytest.raises(ValueError, match="edge"):
        Frontier.decode(size, bytes(octets))


def test_an_edge_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Frontier.EMPTY.size = 1


def test_twenty_thousand_leaves_are_appended_in_a_tenth_of_a_second():
    leaves = LEAVES * 67
    took = []
    for _ in range(5):  # the minimum is the actual cost; the excess comes from other processes
        begun = time.process_time()
        Frontier.EMPTY.extended(leaves[:20_000])
        took.append(time.process_time() - begun)
    assert min(took) < 0.1


@pytest.mark.parametrize("count", [0, 3, 6, 255])
def test_a_complete_subtree_has_a_power_of_two_of_hashes(count):
    with pytest.raises(ValueError, match="power of two"):
        merkle.complete_root(LEAVES[:count])


def test_every_inclusion_proof_verifies():
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, READ)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, NAIVE[size])


def test_every_consistency_proof_verifies():
    for second in range(LARGEST + 1):
        for first in range(second + 1):
            proof = merkle.consistency_proof(first, second, READ)
            merkle.verify_consistency(first, NAIVE[first], second, NAIVE[second], proof)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 9, 64, 65, 127])
def test_no_altered_inclusion_proof_verifies(size):
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, READ)
        for altered in alterations(proof):
            with pytest.raises(ProofInvalid):
                merkle.verify_inclusion(LEAVES[index], index, size, altered, NAIVE[size])


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 9, 64, 65, 127])
def test_no_inclusion_proof_holds_for_another_leaf_index_or_root(size):
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, READ)
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(LEAVES[index + 1], index, size, proof, NAIVE[size])
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(LEAVES[index], index, size, proof, NAIVE[size + 1])
        for other in {*range(-1, size + 2)} - {index}:
            with pytest.raises(ProofInvalid):
                merkle.verify_inclusion(LEAVES[index], other, size, proof, NAIVE[size])


def test_no_inclusion_proof_holds_for_the_root_of_another_size():
    for size in range(1, 34):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, READ)
            for other in {*range(34)} - {size}:
                with pytest.raises(ProofInvalid):
                    merkle.verify_inclusion(LEAVES[index], index, other, proof, NAIVE[other])


@pytest.mark.parametrize("second", [1, 2, 3, 6, 7, 8, 9, 33, 64, 65])
def test_no_altered_consistency_proof_verifies(second):
    for first in range(second + 1):
        proof = merkle.consistency_proof(first, second, READ)
        for altered in alterations(proof):
            with pytest.raises(ProofInvalid):
                merkle.verify_consistency(first, NAIVE[first], second, NAIVE[second], altered)


@pytest.mark.parametrize("second", [1, 2, 3, 6, 7, 8, 9, 33, 64, 65])
def test_no_consistency_proof_holds_for_another_root(second):
    for first in range(second + 1):
        proof = merkle.consistency_proof(first, second, READ)
        with pytest.raises(ProofInvalid):
            merkle.verify_consistency(first, NAIVE[first + 1], second, NAIVE[second], proof)
        if first:  # an empty tree is the beginning of every tree
            with pytest.raises(ProofInvalid):
                merkle.verify_consistency(first, NAIVE[first], second, NAIVE[second + 1], proof)


def test_no_consistency_proof_holds_for_the_roots_of_other_sizes():
    for second in range(1, 20):
        for first in range(1, second + 1):
            proof = merkle.consistency_proof(first, second, READ)
            for other in {*range(1, 20)} - {first}:
                with pytest.raises(ProofInvalid):
                    merkle.verify_consistency(other, NAIVE[other], second, NAIVE[first], proof)
            for other in {*range(first, 20)} - {second}:
                with pytest.raises(ProofInvalid):
                    merkle.verify_consistency(first, NAIVE[first], other, NAIVE[second + 1], proof)


def test_a_size_is_bound_even_where_the_roots_are_made_to_fit():
    one, two = LEAVES[:2]
    with pytest.raises(ProofInvalid, match="too short"):
        merkle.verify_inclusion(one, 0, 4, [two], merkle.node_hash(one, two))
    with pytest.raises(ProofInvalid, match="too long"):
        merkle.verify_inclusion(one, 0, 1, [two], merkle.node_hash(two, one))
    with pytest.raises(ProofInvalid, match="does not begin"):
        merkle.verify_consistency(1, one, 4, merkle.node_hash(one, two), [two])
    joined = merkle.node_hash(one, two)
    with pytest.raises(ProofInvalid, match="too long"):
        merkle.verify_consistency(2, merkle.node_hash(two, joined), 3, joined, [one, two, two])


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused(size):
    with pytest.raises(ProofInvalid, match="32 bytes"):
        merkle.verify_inclusion(LEAVES[0], 0, 2, [bytes(size)], NAIVE[2])
    with pytest.raises(ProofInvalid, match="32 bytes"):
        merkle.verify_inclusion(bytes(size), 0, 2, [LEAVES[1]], NAIVE[2])
    with pytest.raises(ProofInvalid, match="32 bytes"):
        merkle.verify_consistency(1, NAIVE[1], 2, NAIVE[2], [bytes(size)])


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (5, 4), (0, -1)])
def test_there_is_no_inclusion_proof_out_of_range(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(index, size, READ)
    with pytest.raises(ProofInvalid, match="no leaf"):
        merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("first", "second"), [(-1, 1), (2, 1), (1, 0), (-2, -1)])
def test_there_is_no_consistency_proof_out_of_range(first, second):
    with pytest.raises(ValueError, match="no former size"):
        merkle.consistency_proof(first, second, READ)
    with pytest.raises(ProofInvalid, match="no former size"):
        merkle.verify_consistency(first, LEAVES[0], second, LEAVES[0], [])
