import base64
import hashlib

import pytest

from audit.tlog.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    VerifierKey,
    ed25519_only,
    open_note,
    open_publication,
    publication_message,
    sign_note,
    split_note,
)
from kernel.crypto import seed_signing
from kernel.crypto.material import KeyMaterial

ORIGIN = "log.example/instance"
HEAD = Checkpoint(ORIGIN, 70_000, bytes(range(32)))
TIME = 1_700_000_000
# The example in the documentation of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETERS_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def signer(algorithm, seed, name=ORIGIN):
    """A key that is the same in every run, and a function that signs with it."""
    material = KeyMaterial(hashlib.sha256(seed.encode()).digest())
    key = VerifierKey(name, algorithm, seed_signing.public_key(algorithm, material))
    return key, lambda message: seed_signing.sign(algorithm, material, message)


ED = signer(seed_signing.ED25519, "ed")
PQ = signer(seed_signing.ML_DSA_44, "pq")
OTHER = signer(seed_signing.ED25519, "other")
WITNESS = signer(seed_signing.ED25519, "witness", "witness.example/w")
NOTE = sign_note(HEAD, [PQ, ED], TIME)


def spoilt(note, at):
    """The note with the lowest bit of one byte flipped, decoded as a lenient reader would."""
    octets = bytearray(note.encode())
    octets[at] ^= 1
    return octets.decode("utf-8", "surrogateescape")


def test_the_published_note_is_split_and_its_key_verifies_it():
    note = f"{PETERS_TEXT}\n— PeterNeumann {PETERS_SIGNATURE}\n"
    key = VerifierKey.parse(PETER)

    text, [line] = split_note(note)

    assert text == PETERS_TEXT
    assert (line.name, line.key_id) == (key.name, key.key_id) == ("PeterNeumann", bytes.fromhex("c74f20a3"))
    seed_signing.verify(key.algorithm, key.public_key, text.encode(), line.signature)


def test_a_signed_note_that_is_no_checkpoint_is_refused():
    with pytest.raises(CheckpointInvalid, match="three lines"):
        open_note(f"{PETERS_TEXT}\n— PeterNeumann {PETERS_SIGNATURE}\n", [VerifierKey.parse(PETER)])


def test_the_example_of_the_specification_is_parsed():
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = Checkpoint.parse(text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert head.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert head.text == text


def test_a_note_is_the_text_an_empty_line_and_the_line_of_ed25519_first():
    lines = NOTE.split("\n")
    assert lines[:4] == [ORIGIN, "70000", base64.b64encode(bytes(range(32))).decode(), ""]
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["—", ORIGIN], ["—", ORIGIN]]
    decoded = [base64.b64decode(line.split(" ")[2]) for line in lines[4:6]]
    assert [octets[:4] for octets in decoded] == [ED[0].key_id, PQ[0].key_id]
    assert [len(octets) for octets in decoded] == [4 + 64, 4 + 8 + 2420]
    assert lines[6:] == [""]


def test_a_key_id_is_the_hash_of_name_type_and_key():
    for (key, _), type_byte in ((ED, b"\x01"), (PQ, b"\x06")):
        expected = hashlib.sha256(ORIGIN.encode() + b"\n" + type_byte + key.public_key).digest()[:4]
        assert key.key_id == expected
        assert key.vkey == (
            f"{ORIGIN}+{expected.hex()}+{base64.b64encode(type_byte + key.public_key).decode()}"
        )


def test_ml_dsa_44_signs_the_cosigned_message_of_the_specification():
    signature = base64.b64decode(NOTE.split("\n")[5].split(" ")[2])[4:]
    message = (
        b"subtree/v1\n\x00"
        b"\x14log.example/instance"
        b"\x00\x00\x00\x00\x65\x53\xf1\x00"  # 1,700,000,000
        b"\x14log.example/instance"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x01\x11\x70"  # 70,000
    ) + bytes(range(32))

    assert signature[:8] == b"\x00\x00\x00\x00\x65\x53\xf1\x00"
    seed_signing.verify(seed_signing.ML_DSA_44, PQ[0].public_key, message, signature[8:])


def test_ed25519_signs_the_text():
    signature = base64.b64decode(NOTE.split("\n")[4].split(" ")[2])[4:]
    seed_signing.verify(seed_signing.ED25519, ED[0].public_key, HEAD.text.encode(), signature)


@pytest.mark.parametrize("trusted", [[ED], [PQ], [ED, PQ], [OTHER, PQ], [ED, ED]])
def test_a_note_opens_with_any_key_that_signed_it(trusted):
    assert open_note(NOTE, [key for key, _ in trusted]) == HEAD


@pytest.mark.parametrize("trusted", [[], [OTHER], [WITNESS]])
def test_a_note_does_not_open_without_a_key_that_signed_it(trusted):
    with pytest.raises(CheckpointInvalid, match="no trusted key"):
        open_note(NOTE, [key for key, _ in trusted])


def test_the_empty_tree_has_a_checkpoint():
    head = Checkpoint(ORIGIN, 0, hashlib.sha256().digest())
    assert open_note(sign_note(head, [ED], 0), [ED[0]]) == head


@pytest.mark.parametrize("line", [4, 5], ids=["ed25519", "ml-dsa-44"])
def test_no_single_byte_of_a_note_can_be_altered(line):
    note = f"{HEAD.text}\n{NOTE.split(chr(10))[line]}\n"
    trusted = [ED[0], PQ[0]]
    assert open_note(note, trusted) == HEAD
    for at in range(len(note.encode())):
        with pytest.raises(CheckpointInvalid):
            open_note(spoilt(note, at), trusted)


def test_an_altered_name_or_id_turns_a_line_into_a_strangers_and_the_other_decides():
    opened = []
    for at in range(len(NOTE.encode())):
        try:
            opened.append(open_note(spoilt(NOTE, at), [ED[0], PQ[0]]))
        except CheckpointInvalid:
            continue
    assert set(opened) == {HEAD}
    assert 2 * len(ORIGIN) < len(opened) < 2 * (len(ORIGIN) + 7)


def test_a_wrong_signature_of_a_known_key_refuses_the_note_in_spite_of_a_good_one():
    good, bad = (
        NOTE.split("\n")[4],
        sign_note(Checkpoint(ORIGIN, 1, bytes(32)), [ED, PQ], TIME).split("\n")[5],
    )
    with pytest.raises(CheckpointInvalid, match=rf"signature of {ORIGIN}\+{PQ[0].key_id.hex()} is wrong"):
        open_note(f"{HEAD.text}\n{good}\n{bad}\n", [ED[0], PQ[0]])


@pytest.mark.parametrize(
    ("name", "key_id"), [("witness.example/w", ED[0].key_id), (ORIGIN, b"\x00\x00\x00\x01")]
)
def test_a_line_that_shares_only_its_name_or_its_id_with_a_known_key_is_ignored(name, key_id):
    line = f"— {name} {base64.b64encode(key_id + bytes(64)).decode()}\n"
    assert open_note(NOTE + line, [ED[0]]) == HEAD


def test_a_witness_alone_does_not_vouch_for_the_log():
    key, sign = WITNESS
    line = f"— {key.name} {base64.b64encode(key.key_id + sign(HEAD.text.encode())).decode()}\n"
    assert open_note(NOTE + line, [ED[0], key]) == HEAD
    with pytest.raises(CheckpointInvalid, match="no trusted key of its log"):
        open_note(NOTE + line, [key])


def test_a_witness_does_not_vouch_for_the_next_keys_of_the_log():
    vkeys = [OTHER[0].vkey]
    message = publication_message(ORIGIN, vkeys)
    signatures = {key.key_name: base64.b64encode(sign(message)).decode() for key, sign in (WITNESS, ED)}
    with pytest.raises(CheckpointInvalid, match="no trusted key"):
        open_publication(ORIGIN, vkeys, signatures, [WITNESS[0]])
    assert open_publication(ORIGIN, vkeys, signatures, [WITNESS[0], PQ[0], ED[0]]) == [OTHER[0]]
    with pytest.raises(CheckpointInvalid, match="no trusted key"):
        open_publication(ORIGIN, [*vkeys, ED[0].vkey], signatures, [ED[0]])  # signed for other keys


def test_a_publication_has_one_line_for_each_key():
    lines = b"ciphercanary/checkpoint-keys/v1\nlog.example\none\ntwo\n"
    assert publication_message("log.example", ["one", "two"]) == lines


def test_two_keys_with_one_name_and_id_are_not_guessed_between(monkeypatch):
    # 32 bits can be made to collide with enough attempts; here all keys have one id.
    monkeypatch.setattr(VerifierKey, "key_id", ED[0].key_id)
    with pytest.raises(CheckpointInvalid, match="share a name"):
        open_note(NOTE, [OTHER[0], ED[0]])


def test_the_lines_of_a_note_cannot_be_moved_to_another_log():
    moved = NOTE.replace(ORIGIN, "log.example/another")
    keys = [VerifierKey("log.example/another", key.algorithm, key.public_key) for key, _ in (ED, PQ)]
    with pytest.raises(CheckpointInvalid, match="no trusted key"):
        open_note(moved, keys)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        HEAD.text,
        HEAD.text + "\n",
        NOTE.rstrip("\n"),
        NOTE + "\n",
        NOTE + "more\n",
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n\n", "\n\n\n"),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", "—  "),
        NOTE.replace(f"{ORIGIN} ", f"{ORIGIN}\u2003"),
        NOTE.replace(f"{ORIGIN} ", f"{ORIGIN}+x "),
        NOTE + "— log.example/x \n",
        NOTE + "— log.example/x AAAA\n",
        NOTE + "— log.example/x AAAAAA==\n",  # an id and no signature
        NOTE + "— log.example/x AAAAAB==\n",
        NOTE + "— log.example/x AAAAAAA\n",
        NOTE + "— log.example/x AAAAAAA= AAAAAAA=\n",
        NOTE + "— log.example/x _____w==\n",
        NOTE + "— log.example/x ÄÄÄÄ\n",
        NOTE + "—  AAAAAAA=\n",
        NOTE + "— log.example/\ud800 AAAAAAA=\n",
        NOTE.replace("70000", "70000\t"),
        NOTE.replace(ORIGIN, f"{ORIGIN}\0"),
        NOTE + "— log.example/\x1b AAAAAAA=\n",
        NOTE.replace("70000", "070000"),
        NOTE.replace("70000", "+70000"),
        NOTE.replace("70000", "\uff170000"),
        NOTE.replace("70000", "-1"),
        NOTE.replace("70000", "9" * 19),
        NOTE.replace("70000", "9" * 5000),
        NOTE.replace("\n\n", "\nan extension line\n\n"),
        "\n" + NOTE,
        NOTE + "— log.example/x AAAAAAA=\n" * 31,
        NOTE + f"— log.example/x {'AAAA' * 65_536}\n",
    ],
)
def test_a_malformed_note_is_refused_before_its_signatures_are_checked(note):
    with pytest.raises(CheckpointInvalid):
        open_note(note, [ED[0]])


def test_sixteen_witnesses_of_the_largest_kind_have_room():
    line = f"— witness.example/w {base64.b64encode(bytes(5000)).decode()}\n"
    assert open_note(NOTE + line * 16, [ED[0]]) == HEAD


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a\tb", 1, bytes(32)),
        ("a" * 256, 1, bytes(32)),
        ("\ud800", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**63, bytes(32)),
        ("a", 1, bytes(31)),
        ("a", 1, b""),
    ],
)
def test_a_checkpoint_has_one_line_of_origin_a_size_and_a_hash(origin, size, root):
    with pytest.raises(CheckpointInvalid):
        Checkpoint(origin, size, root)


def test_nothing_follows_the_three_lines_of_a_checkpoint():
    with pytest.raises(CheckpointInvalid, match="three lines"):
        Checkpoint.parse(HEAD.text + "more")


@pytest.mark.parametrize("root", ["", "AAAA", "=" * 44, base64.b64encode(bytes(33)).decode()])
def test_a_malformed_root_is_refused(root):
    with pytest.raises(CheckpointInvalid, match="root"):
        Checkpoint.parse(f"{ORIGIN}\n1\n{root}\n")


@pytest.mark.parametrize("key", [ED[0], PQ[0], VerifierKey.parse(PETER)], ids=["ed25519", "ml-dsa", "peter"])
def test_a_vkey_has_one_spelling(key):
    assert VerifierKey.parse(key.vkey) == key
    for at in range(len(key.vkey)):
        for other in (key.vkey[:at], key.vkey[at + 1 :], key.vkey[:at] + "x" + key.vkey[at + 1 :]):
            if other != key.vkey:
                with pytest.raises(ValueError):  # noqa: PT011 - each text fails with its own message
                    VerifierKey.parse(other)


def vkey(name, typed):
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(typed).decode()}"


@pytest.mark.parametrize(
    "text",
    [
        vkey("a", b"\x02" + bytes(32)),  # another type, with its correct id
        vkey("a", b"\x04" + bytes(31)),
        vkey("a", b"\x01" + bytes(31)),
        vkey("a", b"\x06" + bytes(1311)),
        vkey("", b"\x01" + bytes(32)),
        vkey("a b", b"\x01" + bytes(32)),
        vkey("a" * 256, b"\x01" + bytes(32)),
        vkey("a", b"\x01" + bytes(32)).upper(),
        vkey("a", b"\x01" + bytes(32)) + "\n",
        "a+00000000+",
        "a",
        "",
        "\ud800+00000000+AAAA",
    ],
)
def test_a_key_of_another_kind_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - each text fails with its own message
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "a+b", "a b", "a\u2003b", "a\x1fb", "a\0b"])
def test_a_name_without_spaces_and_plus_signs_is_required(name):
    with pytest.raises(ValueError, match="name"):
        VerifierKey(name, "ed25519", ED[0].public_key)


def test_a_key_of_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="ed25519, cosignature/v1, ml-dsa-44"):
        VerifierKey("a", "rsa", bytes(32))


@pytest.mark.parametrize("signers", [[], [PQ]])
def test_a_log_signs_with_ed25519_at_least(signers):
    with pytest.raises(ValueError, match="Ed25519"):
        sign_note(HEAD, signers, TIME)


def test_a_log_signs_under_its_own_name():
    with pytest.raises(ValueError, match="origin"):
        sign_note(HEAD, [ED, WITNESS], TIME)


def test_the_short_note_is_the_first_line_alone_and_opens():
    short = ed25519_only(NOTE)
    assert short == "\n".join([*NOTE.split("\n")[:5], ""])
    assert open_note(short, [ED[0]]) == HEAD
    assert ed25519_only(short) == short
    with pytest.raises(CheckpointInvalid):
        open_note(short, [PQ[0]])


@pytest.mark.parametrize(
    "note", ["", HEAD.text, HEAD.text + "\n", NOTE.replace("70000", "70000\t"), NOTE.rstrip("\n")]
)
def test_only_a_signed_checkpoint_has_a_short_form(note):
    with pytest.raises(CheckpointInvalid):
        ed25519_only(note)
