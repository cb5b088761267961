import base64

from audit.tlog.proof import format_proof

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


def test_extra_data_precedes_the_index():
    assert format_proof(0, [], NOTE, b"ab") == f"c2sp.org/tlog-proof@v1\nextra YWI=\nindex 0\n\n{NOTE}"
