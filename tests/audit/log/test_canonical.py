import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.log import canonical
from audit.log.canonical import MAX_INTEGER


def test_the_example_of_rfc_8785_section_3_2_2_comes_out_as_printed_there_but_for_its_floats():
    # The RFC's own example. Its array of floats is outside our subset; a test below checks that it is
    # refused.
    source = json.loads(
        r'{"string": "\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    )

    assert canonical.encode(source) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_members_are_sorted_by_utf_16_code_units_as_in_rfc_8785_section_3_2_3():
    # In code point order U+1F600 would follow U+FB33; as UTF-16 its first unit D83D precedes it.
    source = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\x80": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }

    assert list(json.loads(canonical.encode(source)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_inner_objects_are_sorted_too():
    assert canonical.encode({"a": [{"z": 1, "y": 2}]}) == b'{"a":[{"y":2,"z":1}]}'


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("\b\t\n\f\r", rb'"\b\t\n\f\r"'),
        ("\x00\x1f\x0b", rb'"\u0000\u001f\u000b"'),
        ("\x7f/", b'"\x7f/"'),
        ("\u2028", b'"\xe2\x80\xa8"'),
    ],
)
def test_strings_are_escaped_as_section_3_2_2_2_asks(text, encoded):
    assert canonical.encode(text) == encoded


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), b"bytes", {1: "a"}, {"a": {2.5}}, datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_a_value_outside_the_subset_is_refused(value):
    with pytest.raises((TypeError, AttributeError)):
        canonical.encode(value)


@pytest.mark.parametrize("number", [MAX_INTEGER + 1, -MAX_INTEGER - 1])
def test_integers_that_other_readers_would_round_are_refused(number):
    with pytest.raises(ValueError, match=r"2\*\*53"):
        canonical.encode({"n": number})


def test_the_largest_integers_are_written_in_full():
    assert canonical.encode([MAX_INTEGER, -MAX_INTEGER]) == b"[9007199254740991,-9007199254740991]"


def test_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        canonical.encode("\ud800")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(VALUES)
def test_the_encoding_shows_what_it_encodes_and_is_its_own_canonical_form(value):
    encoded = canonical.encode(value)

    assert json.loads(encoded) == value
    assert canonical.encode(json.loads(encoded)) == encoded


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 24, 15, 3, 9, tzinfo=UTC), "2026-11-24T15:03:09.000000Z"),
        (
            datetime(2026, 11, 24, 15, 3, 9, 42, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-24T13:03:09.000042Z",
        ),
    ],
)
def test_timestamps_are_utc_with_six_digits(moment, text):
    assert canonical.format_timestamp(moment) == text


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        canonical.format_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the test needs a naive datetime


def test_every_character_is_encoded_as_by_pythons_own_encoder():
    reference = json.JSONEncoder(ensure_ascii=False)
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))

    assert canonical.encode(text) == reference.encode(text).encode()


def test_members_in_order_are_encoded_as_the_object_is():
    members = {"a": "é\n", "b": None, "c": -7, "d": ""}

    assert canonical.encode_members(members) == canonical.encode(members)
    with pytest.raises(ValueError, match="2\\*\\*53"):
        canonical.encode_members({"a": MAX_INTEGER + 1})


def test_each_member_of_a_flat_object_is_checked():
    assert canonical.encode_members({"a": "x", "b": 2, "c": None}) == b'{"a":"x","b":2,"c":null}'
    with pytest.raises(ValueError):  # noqa: PT011 - the message of the range
        canonical.encode_members({"a": "x", "b": None, "c": MAX_INTEGER + 1})
    with pytest.raises(TypeError, match="float"):
        canonical.encode_members({"a": "x", "b": 1.5})
