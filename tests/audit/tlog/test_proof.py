import base64

import pytest

from audit.tlog.proof import Proof, format_proof, parse_proof

NOTE = "log.example/1\n3\n" + base64.b64encode(bytes(32)).decode() + "\n\n— log.example/1 AAAAAAA=\n"
ONE, TWO = bytes(range(32)), bytes(range(32, 64))
TEXT = (
    "c2sp.org/tlog-proof@v1\n"
    "index 2\n"
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"
    "\n" + NOTE
)


def test_a_proof_has_the_text_of_the_specification():
    assert format_proof(2, [ONE, TWO], NOTE) == TEXT
    assert parse_proof(TEXT) == Proof(2, (ONE, TWO), NOTE)


@pytest.mark.parametrize("hashes", [(), (ONE,), (ONE, TWO) * 31])
@pytest.mark.parametrize("extra", [b"", b"\x00", b"more"])
@pytest.mark.parametrize("index", [0, 1, 10, 2**63 - 1])
def test_a_proof_survives_its_text(index, hashes, extra):
    assert parse_proof(format_proof(index, hashes, NOTE, extra)) == Proof(index, hashes, NOTE, extra)


def test_extra_stands_before_the_index():
    assert format_proof(0, [], NOTE, b"ab") == f"c2sp.org/tlog-proof@v1\nextra YWI=\nindex 0\n\n{NOTE}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("c2sp.org", " c2sp.org"),
        ("index 2", "index 02"),
        ("index 2", "index -2"),
        ("index 2", "index +2"),
        ("index 2", "index 2 "),
        ("index 2", "index \uff12"),
        ("index 2", "index "),
        ("index 2", f"index {2**63}"),
        ("index 2", "index " + "9" * 5000),
        ("index 2\n", ""),
        ("index 2", "extra \nindex 2"),
        ("index 2", "extra YWJ=\nindex 2"),
        ("index 2", "extra YWI=\nextra YWI=\nindex 2"),
        ("index 2", "index 2\nextra YWI="),
        ("index 2", "index 2\nindex 2"),
        ("\nAAEC", "\n AAEC"),
        ("Hh8=", "Hh9="),
        ("Hh8=", "Hh8"),
        ("Hh8=\n", "Hh8=\r\n"),
        ("AAECAwQF", "AwQF"),
        ("AAEC", "AAECAAEC"),
        ("\n\n" + NOTE, ""),
        (NOTE, ""),
        ("\n" + NOTE, NOTE),
    ],
)
def test_any_other_spelling_is_refused(old, new):
    assert old in TEXT
    with pytest.raises(ValueError):  # noqa: PT011 - each text fails with its own message
        parse_proof(TEXT.replace(old, new, 1))


def test_more_hashes_than_any_tree_is_high_are_refused():
    with pytest.raises(ValueError, match="63"):
        parse_proof(format_proof(0, [ONE] * 64, NOTE))
