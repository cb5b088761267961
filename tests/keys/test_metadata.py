import pytest

from kernel.errors import Invalid
from keys import metadata


@pytest.mark.parametrize(
    "text", ["", "two\nlines\tand a tab", "ключ", "\u0645\u06cc\u200c\u062e", "x" * 1000]
)
def test_descriptions_are_prose_in_any_language(text):
    metadata.check_description(text)


@pytest.mark.parametrize("text", ["x" * 1001, "nul \x00", "half \ud800", "right to \u202eleft"])
def test_descriptions_hold_no_control_characters(text):
    with pytest.raises(Invalid) as refusal:
        metadata.check_description(text)
    assert set(refusal.value.fields) == {"description"}


@pytest.mark.parametrize(
    "tags", [[], ["pci"], ["PCI", "pci"], ["owner: payments"], [str(n) for n in range(20)]]
)
def test_good_tags_pass(tags):
    metadata.check_tags(tags)


@pytest.mark.parametrize(
    "tags",
    [[""], ["a", "a"], [" a"], ["a "], ["x" * 65], ["a\nb"], ["\u202eabc"], [str(n) for n in range(21)]],
)
def test_other_tags_are_refused(tags):
    with pytest.raises(Invalid) as refusal:
        metadata.check_tags(tags)
    assert set(refusal.value.fields) == {"tags"}


@pytest.mark.parametrize("days", [None, 1, 3650])
def test_good_rotation_periods_pass(days):
    metadata.check_rotation_period(days, "aes-256")


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_other_rotation_periods_are_refused(days):
    with pytest.raises(Invalid) as refusal:
        metadata.check_rotation_period(days, "aes-256")
    assert set(refusal.value.fields) == {"rotation_period_days"}
