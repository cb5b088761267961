"""Which notice goes to which channel, and when again. Without a database."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from canaries.delivery.claims import LEASE, MOST_CLAIMED, claim, due_channels, pause_after, settle
from canaries.documents import CanarySet, Channel, ChannelKind, Incidents, Notice
from canaries.notices import queue
from canaries.sealed.store import Change

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOLDER, OTHER = uuid4(), uuid4()


def channel(target):
    return Channel(id=uuid4(), kind=ChannelKind.EMAIL, target=target, added_at=NOON, added_by="host")


@pytest.fixture
def change():
    """Two channels."""
    channels = [channel("a@example.org"), channel("b@example.org")]
    return Change(CanarySet(channels=channels), Incidents(), NOON)


@pytest.fixture
def first(change):
    return change.set.channels[0].id


def put(change, title="Test", key=""):
    notice = Notice(id=uuid4(), at=NOON, topic="test", title=title, text="", key=key)
    queue(change, notice, change.set.channels)
    return notice


def attempt(change, channel_id, error=""):
    """The title of the first notice that was due; None if none was."""
    claimed = claim(change, channel_id, HOLDER)
    if claimed is None:
        return None
    settle_first(change, claimed, HOLDER, error)
    return claimed[1][0].title


def settle_first(change, claimed, holder, error):
    channel, [notice, *_] = claimed
    settle(change, channel, holder, {notice.id: error})


def fail(change, channel_id, times):
    for _ in range(times):
        assert attempt(change, channel_id, "timeout")
        change.at = change.incidents.channel_states[channel_id].next_at


def titles(change):
    return [notice.title for notice in change.incidents.notices]


def test_pauses_double_up_to_ten_minutes_and_never_end():
    pauses = [pause_after(failures).total_seconds() for failures in (1, 2, 3, 9, 10, 11, 10_000)]
    assert pauses == [2, 4, 8, 512, 600, 600, 600]


def test_a_notice_leaves_the_queue_after_the_last_channel(change):
    put(change)
    one, two = due_channels(change.incidents, NOON)
    assert attempt(change, one) == "Test"
    assert (attempt(change, one), due_channels(change.incidents, NOON)) == (None, [two])
    assert attempt(change, two) == "Test"
    assert change.incidents.notices == []
    assert change.incidents.channel_states[one].delivered_at == NOON


def test_two_workers_may_deliver_one_notice_after_the_end_of_a_lease(change, first):
    put(change)
    early = claim(change, first, HOLDER)
    change.at = NOON + LEASE
    late = claim(change, first, OTHER)
    settle_first(change, early, HOLDER, "")
    settle_first(change, late, OTHER, "")
    assert [notice.waiting for notice in change.incidents.notices] == [[change.set.channels[1].id]]


def test_the_journal_has_each_attempt(change, first):
    notice = put(change)
    fail(change, first, 1)
    attempt(change, first)
    about = {"notice": notice.id, "channel": first}
    assert [(record.word, record.facts) for record in change.records[1:]] == [
        ("notice.failed", {**about, "error": "timeout", "failures": 1}),
        ("notice.delivered", {**about, "attempts": 2}),
    ]


def test_a_leased_channel_is_not_due_until_the_lease_ends(change, first):
    put(change)
    claimed = claim(change, first, HOLDER)
    change.at = NOON + LEASE - timedelta(microseconds=1)
    assert claim(change, first, OTHER) is None
    assert first not in due_channels(change.incidents, change.at)
    change.at = NOON + LEASE
    assert claim(change, first, OTHER) is not None
    settle_first(change, claimed, HOLDER, "timeout")  # the worker that lost the lease
    state = change.incidents.channel_states[first]
    assert (state.failures, state.lease_holder) == (0, OTHER)


def test_a_failed_notice_is_due_after_the_pause(change, first):
    put(change)
    assert attempt(change, first, "timeout")
    change.at = NOON + timedelta(seconds=2, microseconds=-1)
    assert attempt(change, first) is None
    change.at = NOON + timedelta(seconds=2)
    assert attempt(change, first) == "Test"


def test_a_notice_that_is_refused_does_not_block_others(change, first):
    put(change, "refused")
    put(change, "other")
    fail(change, first, 1)
    assert attempt(change, first) == "other"
    assert attempt(change, first) == "refused"


def test_one_claim_has_several_notices_each_with_its_result(change, first):
    for number in range(MOST_CLAIMED + 1):
        put(change, f"{number}")
    channel, notices = claim(change, first, HOLDER)
    assert [notice.title for notice in notices] == [f"{number}" for number in range(MOST_CLAIMED)]
    settle(change, channel, HOLDER, {notices[0].id: "", notices[1].id: "", notices[2].id: "timeout"})
    waiting = [notice.title for notice in change.incidents.notices if first in notice.waiting]
    assert waiting == [*(f"{number}" for number in range(3, MOST_CLAIMED + 1)), "2"]
    state = change.incidents.channel_states[first]
    assert (state.failures, state.error, state.lease_until) == (1, "timeout", None)


def test_the_others_get_one_notice_after_three_failures_and_one_after_the_recovery(change, first):
    put(change)
    fail(change, first, 2)
    assert titles(change) == ["Test"]
    fail(change, first, 1)
    assert titles(change) == ["Test", "The channel e-mail a@example.org fails"]
    assert first not in change.incidents.notices[1].waiting
    other = change.set.channels[1].id
    assert attempt(change, other) == "Test"
    assert attempt(change, other) == "The channel e-mail a@example.org fails"
    fail(change, first, 20)
    assert titles(change) == ["Test"]
    assert attempt(change, first) == "Test"
    assert titles(change) == ["The channel e-mail a@example.org works again"]
    state = change.incidents.channel_states[first]
    assert (state.failures, state.is_failing, state.error) == (0, False, "")
    put(change)
    fail(change, first, 3)
    assert titles(change) == ["Test", "The channel e-mail a@example.org fails"]  # replaces the other one


def test_a_removed_channel_is_given_up_after_ten_failures(change, first):
    put(change)
    change.incidents.leaving.append(change.set.channels.pop(0))
    fail(change, first, 9)
    assert attempt(change, first, "timeout") == "Test"
    assert (change.incidents.leaving, first in change.incidents.channel_states) == ([], False)
    assert [notice.waiting for notice in change.incidents.notices] == [[change.set.channels[0].id]]
    assert titles(change) == ["Test"]  # the others get no notice about it


def test_a_title_is_one_short_line_and_the_journal_has_it(change):
    notice = put(change, f"A\r\nBcc: x@example.org {'y' * 300}")
    assert notice.title.startswith("A Bcc: x@example.org yy")
    assert len(notice.title) == 200
    [record] = change.records
    facts = {"notice": notice.id, "topic": "test", "incident": None, "title": notice.title, "channels": 2}
    assert (record.word, record.facts) == ("notice.written", facts)


def test_a_notice_for_no_channel_does_not_wait(change):
    change.set.channels.clear()
    put(change)
    assert change.incidents.notices == []


def test_a_newer_notice_replaces_a_waiting_one_with_its_key(change):
    put(change, "first touch")
    put(change, "2 touches", key="incident")
    put(change, "3 touches", key="incident")
    assert titles(change) == ["first touch", "3 touches"]


def test_a_removed_channel_is_forgotten_if_its_last_notice_is_replaced(change, first):
    put(change, key="lag")
    change.incidents.leaving.append(change.set.channels.pop(0))
    put(change, key="lag")
    assert change.incidents.leaving == []
    assert due_channels(change.incidents, NOON) == [change.set.channels[0].id]


def test_a_result_for_a_removed_channel_is_dropped(change, first):
    put(change)
    claimed = claim(change, first, HOLDER)
    del change.set.channels[0]
    del change.incidents.channel_states[first]
    settle_first(change, claimed, HOLDER, "timeout")
    assert first not in change.incidents.channel_states
    assert claim(change, first, HOLDER) is None
