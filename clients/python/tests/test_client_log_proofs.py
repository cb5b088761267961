"""Checkpoints and proofs of the audit log, with trees and signatures made outside the client's code."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ciphercanary_client import VerificationFailed
from ciphercanary_client.log_proofs import Checkpoint, EntryProof, VerifierKey, verify_consistency
from ciphercanary_client.log_verification import StoredHead, verify_log

ORIGIN = "ciphercanary/66754b2e-0d85-4f16-bca3-6d65ddf0ba6c"
SIZES = range(1, 20)


def b64(octets):
    return base64.b64encode(octets).decode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def split(size):
    return 1 << (size - 1).bit_length() - 1


def head(entries):
    """RFC 6962, section 2.1: MTH."""
    if len(entries) == 1:
        return sha256(b"\0", entries[0])
    if not entries:
        return sha256()
    middle = split(len(entries))
    return sha256(b"\1", head(entries[:middle]), head(entries[middle:]))


def path(index, entries):
    """RFC 6962, section 2.1.1: PATH."""
    if len(entries) == 1:
        return []
    middle = split(len(entries))
    if index < middle:
        return [*path(index, entries[:middle]), head(entries[middle:])]
    return [*path(index - middle, entries[middle:]), head(entries[:middle])]


def subproof(size, entries, *, is_whole=True):
    """RFC 6962, section 2.1.2: SUBPROOF."""
    if size == len(entries):
        return [] if is_whole else [head(entries)]
    middle = split(len(entries))
    if size <= middle:
        return [*subproof(size, entries[:middle], is_whole=is_whole), head(entries[middle:])]
    return [*subproof(size - middle, entries[middle:], is_whole=False), head(entries[:middle])]


class Log:
    """A log of another implementation: its keys and its entries."""

    def __init__(self, size=19, origin=ORIGIN):
        self.origin = origin
        self.ed25519, self.ml_dsa = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
        self.entries = [json.dumps({"id": number + 1}).encode() for number in range(size)]

    def public(self, private):
        return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def id_of(self, kind, private):
        return sha256(self.origin.encode(), b"\n", bytes([kind]), self.public(private))[:4]

    @property
    def vkeys(self):
        pairs = ((1, self.ed25519), (6, self.ml_dsa))
        return [
            f"{self.origin}+{self.id_of(kind, key).hex()}+{b64(bytes([kind]) + self.public(key))}"
            for kind, key in pairs
        ]

    @property
    def keys(self):
        return tuple(map(VerifierKey.parse, self.vkeys))

    def note(self, size, *, of=""):
        """``of``: the origin of another log, whose checkpoint this one signs."""
        root = head(self.entries[:size])
        text = f"{of or self.origin}\n{size}\n{b64(root)}\n"
        name = bytes([len(self.origin)]) + self.origin.encode()
        time = bytes(7) + b"\7"
        message = b"subtree/v1\n\0" + name + time + name + bytes(8) + size.to_bytes(8, "big") + root
        lines = [
            self.id_of(1, self.ed25519) + self.ed25519.sign(text.encode()),
            self.id_of(6, self.ml_dsa) + time + self.ml_dsa.sign(message),
        ]
        return text + "\n" + "".join(f"— {self.origin} {b64(line)}\n" for line in lines)

    def checkpoint(self, size):
        return Checkpoint.parse(self.note(size))

    def proof(self, index, size):
        hashes = "".join(f"{b64(each)}\n" for each in path(index, self.entries[:size]))
        extra = b64(self.entries[index])
        return f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{hashes}\n{self.note(size)}"


@pytest.fixture(scope="module")
def log():
    return Log()


def test_a_checkpoint_is_signed_with_both_algorithms(log):
    checkpoint = log.checkpoint(7)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 7, head(log.entries[:7]))
    assert checkpoint.verify(log.keys) == 2
    assert [checkpoint.verify([key]) for key in log.keys] == [1, 1]
    assert [key.vkey for key in log.keys] == log.vkeys


@pytest.mark.parametrize("place", [0, 50, -200, -5])
def test_an_altered_checkpoint_fails(log, place):
    note = log.note(7)
    altered = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
    with pytest.raises(VerificationFailed):
        Checkpoint.parse(altered).verify(log.keys)


def test_another_key_or_none_proves_nothing(log):
    for keys in ((), Log().keys, Log(origin="another").keys):
        with pytest.raises(VerificationFailed, match="No trusted key"):
            log.checkpoint(7).verify(keys)


@pytest.mark.parametrize(
    "note", ["", "a\n1\nAAAA\n", "a\n01\nAAAA\n\n— a AAAA\n", "a\n1\nAAAA\n\n— a AAAA\n"]
)
def test_a_malformed_checkpoint_fails(note):
    with pytest.raises(VerificationFailed, match="malformed"):
        Checkpoint.parse(note)


def test_the_key_of_one_log_proves_nothing_about_another(log):
    with pytest.raises(VerificationFailed, match="No trusted key"):
        Checkpoint.parse(log.note(7, of="another")).verify(log.keys)


def test_a_malformed_key_is_rejected(log):
    [vkey, _] = log.vkeys
    for each in ("", "a+b+c", vkey[:-4], vkey.replace(ORIGIN, "other"), vkey + "AAAA"):
        with pytest.raises(ValueError, match=r"vkey|base64|character|padding"):
            VerifierKey.parse(each)


def test_every_entry_of_every_tree_is_proven_and_no_other(log):
    for size in (1, 2, 7, 8, 19):
        for index in range(size):
            proof = EntryProof.parse(log.proof(index, size))
            proof.verify(log.entries[index])
            with pytest.raises(VerificationFailed, match="not in the tree"):
                proof.verify(log.entries[index] + b" ")
    with pytest.raises(VerificationFailed, match="malformed"):
        EntryProof.parse("c2sp.org/tlog-proof@v1\n")


def test_every_tree_begins_with_every_smaller_one(log):
    checkpoints = {size: log.checkpoint(size) for size in SIZES}
    for small in SIZES:
        for large in range(small, SIZES.stop):
            hashes = subproof(small, log.entries[:large])
            verify_consistency(checkpoints[small], checkpoints[large], hashes)
            for altered in (
                [*hashes, bytes(32)],
                hashes[:-1] if hashes else [bytes(32)],
                [bytes(32), *hashes[1:]],
            ):
                with pytest.raises(VerificationFailed):
                    verify_consistency(checkpoints[small], checkpoints[large], altered)


def test_a_log_that_lost_or_changed_entries_fails(log):
    with pytest.raises(VerificationFailed, match="had 8 before"):
        verify_consistency(log.checkpoint(8), log.checkpoint(7), ())
    changed = Log()
    changed.entries[3] = b"{}"
    for size in (8, 19):
        hashes = subproof(8, changed.entries[:size])
        with pytest.raises(VerificationFailed, match="does not begin"):
            verify_consistency(log.checkpoint(8), changed.checkpoint(size), hashes)
    with pytest.raises(VerificationFailed, match="another log"):
        verify_consistency(log.checkpoint(8), Log(origin="another").checkpoint(19), ())


# --- the whole verification


def serve(server, log, size, *, earlier=0, entry=0):
    """The responses of a server for one verification."""
    if entry:
        proof = {"entry": log.entries[entry - 1].decode(), "proof": log.proof(entry - 1, size)}
        server.will_respond((200, proof))
    server.will_respond((200, {"note": log.note(size)}))
    if 0 < earlier < size:
        server.will_respond((200, {"hashes": list(map(b64, subproof(earlier, log.entries[:size])))}))


def test_the_first_verification_trusts_the_keys_of_the_server_and_the_next_the_stored_ones(
    client, server, log, tmp_path
):
    state = tmp_path / "new" / "state.json"
    server.will_respond("\n".join(log.vkeys))
    serve(server, log, 7)
    first = verify_log(client, StoredHead.read(state), (), None)
    first.head.write(state)
    assert (first.is_first_use, first.earlier, first.newest.size) == (True, None, 7)

    serve(server, log, 19, earlier=7, entry=3)
    second = verify_log(client, StoredHead.read(state), (), 3)
    assert (second.is_first_use, second.earlier.size, second.newest.size) == (False, 7, 19)
    assert second.entry == log.entries[2].decode()
    assert dict(server.requests[-1].url.params) == {"from": "7", "to": "19"}
    assert not server.responses


def test_a_rewritten_log_fails_although_its_own_keys_signed_it(client, server, log):
    stored = StoredHead(log.keys, log.checkpoint(7))
    log_of_thief = Log()
    log_of_thief.ed25519, log_of_thief.ml_dsa = log.ed25519, log.ml_dsa
    log_of_thief.entries[2] = b"{}"
    serve(server, log_of_thief, 19, earlier=7)
    with pytest.raises(VerificationFailed, match="does not begin"):
        verify_log(client, stored, (), None)
    serve(server, log_of_thief, 5)
    with pytest.raises(VerificationFailed, match="had 7 before"):
        verify_log(client, stored, (), None)


def test_pinned_keys_replace_those_that_are_stored(client, server, log):
    serve(server, log, 19)
    with pytest.raises(VerificationFailed, match="No trusted key"):
        verify_log(client, StoredHead(log.keys, None), Log().keys, None)


def test_an_altered_entry_fails(client, server, log):
    altered = json.dumps({"id": 3, "outcome": "ok"})
    server.will_respond((200, {"entry": altered, "proof": log.proof(2, 19)}), (200, {"note": log.note(19)}))
    with pytest.raises(VerificationFailed, match="not in the tree"):
        verify_log(client, StoredHead(log.keys, None), (), 3)


def test_another_entry_than_the_requested_one_fails(client, server, log):
    serve(server, log, 19, entry=3)
    with pytest.raises(VerificationFailed, match="another entry"):
        verify_log(client, StoredHead(log.keys, None), (), 4)


@pytest.mark.parametrize("entry", ["", "[]", "{}", '{"id": 2}'])
def test_a_malformed_entry_fails(client, server, log, entry):
    server.will_respond((200, {"entry": entry, "proof": log.proof(2, 19)}))
    with pytest.raises(VerificationFailed, match="another entry"):
        verify_log(client, StoredHead(log.keys, None), (), 3)


@pytest.mark.parametrize("response", [[], {}, {"hashes": None}, {"hashes": [7]}, {"hashes": {}}])
def test_a_malformed_response_fails(client, server, log, response):
    server.will_respond((200, {"note": log.note(19)}), (200, response))
    with pytest.raises(VerificationFailed, match="malformed hash"):
        verify_log(client, StoredHead(log.keys, log.checkpoint(7)), (), None)
    server.will_respond((200, response))
    with pytest.raises(VerificationFailed, match="no note"):
        verify_log(client, StoredHead(log.keys, log.checkpoint(7)), (), None)


def test_a_damaged_state_is_not_replaced(tmp_path):
    state = tmp_path / "state.json"
    state.write_text("{}")
    with pytest.raises(VerificationFailed, match="damaged"):
        StoredHead.read(state)
