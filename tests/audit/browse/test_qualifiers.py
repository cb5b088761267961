import pytest

from audit.browse.qualifiers import read_search


@pytest.mark.parametrize(
    ("typed", "words", "found"),
    [
        ("", "", []),
        ("two words", "two words", []),
        ("actor:mira", "", [("actor", "actor", "mira")]),
        (
            "actor:mira action:keys.key.rotated result:denied source:api",
            "",
            [
                ("actor", "actor", "mira"),
                ("action", "action", "keys.key.rotated"),
                ("result", "outcome", "denied"),
                ("source", "source", "api"),
            ],
        ),
        (
            "after:2026-11-01 late before:2026-11-30",
            "late",
            [("after", "from", "2026-11-01"), ("before", "to", "2026-11-30")],
        ),
        ('actor:"audit writer" x', "x", [("actor", "actor", "audit writer")]),
        ('actor:"mira', "", [("actor", "actor", "mira")]),
        ("ACTOR:Mira", "", [("actor", "actor", "Mira")]),
        ("https://example.org 10.0.0.1 fe80::1", "https://example.org 10.0.0.1 fe80::1", []),
        ("factor:2", "factor:2", []),
        ("actor:", "actor:", []),
    ],
)
def test_a_search_is_split_into_words_and_qualifiers(typed, words, found):
    assert read_search(typed) == (words, found)
