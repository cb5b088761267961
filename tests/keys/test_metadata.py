from datetime import UTC, datetime, timedelta

import pytest

from kernel.errors import Invalid
from keys import metadata

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(microseconds=1), NOW + timedelta(microseconds=1)


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


def test_a_deterministic_key_has_no_rotation_period():
    metadata.check_rotation_period(None, "aes-256-siv")
    with pytest.raises(Invalid) as refusal:
        metadata.check_rotation_period(30, "aes-256-siv")
    assert set(refusal.value.fields) == {"rotation_period_days"}


@pytest.mark.parametrize(
    ("expires_at", "activates_at", "is_good"),
    [
        (None, AFTER, True),
        (AFTER, None, True),
        (AFTER, NOW, True),
        (AFTER, AFTER, False),
        (NOW, None, False),
        (NOW, BEFORE, False),
    ],
)
def test_a_key_expires_in_the_future_and_after_its_activation(expires_at, activates_at, is_good):
    if is_good:
        metadata.check_expiry(expires_at, activates_at, NOW)
        return
    with pytest.raises(Invalid) as refusal:
        metadata.check_expiry(expires_at, activates_at, NOW)
    assert set(refusal.value.fields) == {"expires_at"}


def test_a_refused_tag_is_named_by_its_number():
    with pytest.raises(Invalid) as refusal:
        metadata.check_tags(["good", " bad"])
    assert "Tag 2: " in str(refusal.value.fields["tags"])
