import pytest

from kernel.errors import Invalid
from kernel.labels import check_name, check_reason, prose_fault, reveal

BIDI = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
INVISIBLE = ["\x00", "\x1b", "\x7f", "\u200b", "\u2060", "\ufeff", "\u2028", "\ud800", "\ufffe", "\U000e0041"]


@pytest.mark.parametrize("name", ["abc", "a" * 64, "orders-2026", "---"])
def test_good_names_pass(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 65, "Orders", "a_b", "a b", "abc\n", "äbc", "a\x00bc"])
def test_other_names_are_refused_naming_the_field(name):
    with pytest.raises(Invalid) as refusal:
        check_name(name)
    assert set(refusal.value.fields) == {"name"}


@pytest.mark.parametrize("reason", ["", " ", "x" * 101, "a\x00", "two\nlines", "a\u202eb", "a\u200cb"])
def test_a_reason_says_something_within_its_column(reason):
    check_reason("x" * 100)
    with pytest.raises(Invalid) as refusal:
        check_reason(reason)
    assert set(refusal.value.fields) == {"reason"}


@pytest.mark.parametrize("char", BIDI + INVISIBLE)
def test_prose_has_no_character_that_a_reader_cannot_see(char):
    code = f"U+{ord(char):04X}"
    assert prose_fault(f"pay{char}roll", 1000).startswith(f"Remove the character {code}")
    assert reveal(f"pay{char}roll") == f"pay[{code}]roll"


def test_the_fault_names_the_character_and_its_position():
    fault = prose_fault("safe \u202egnp.exe", 1000)
    assert fault == "Remove the character U+202E (RIGHT-TO-LEFT OVERRIDE) at position 6."


@pytest.mark.parametrize(
    "text",
    ["", "two\nlines\tand a tab", "\u0645\u06cc\u200c\u062e", "\u26a0\ufe0f \U0001f469\u200d\U0001f680"],
)
def test_prose_may_be_in_any_language(text):
    assert not prose_fault(text, 1000)
    assert reveal(text) == text
