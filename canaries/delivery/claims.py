"""Which channel may send which notices, and the results. Pure: the caller stores the documents.

A worker leases a channel before it sends. If it dies, another one sends the same notices again after the lease, with the
same ids: at least once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from canaries.documents import Channel, ChannelState, Incidents, Notice
from canaries.notices import CHANNEL_FAILING, CHANNEL_RECOVERED, forget_removed, queue_text
from canaries.sealed.store import Change

type _Claim = tuple[Channel, Sequence[Notice]]

MOST_CLAIMED: Final = 20  # notices; a change costs as much as several exchanges
TURN: Final = timedelta(seconds=5)  # in which the exchanges of a claim begin
LEASE: Final = timedelta(seconds=40)  # longer than a turn and its last exchange, also with a slow name server
_FAILURES_OF_NOTICE: Final = 3  # in a row, until the other channels get a notice
MOST_FAILURES: Final = 10  # in a row, about 17 minutes, until a removed channel gets nothing more
_LONGEST_PAUSE: Final = 600  # seconds


def due_channels(incidents: Incidents, now: datetime) -> list[UUID]:
    """The channels that wait for a notice, and to which it may be sent now."""
    waiting = dict.fromkeys(channel for notice in incidents.notices for channel in notice.waiting)
    return [channel for channel in waiting if _is_due(_state_of(incidents, channel), now)]


def claim(change: Change, channel_id: UUID, holder: UUID) -> _Claim | None:
    """Lease the channel, for the notices that have waited longest since their last attempt. None if nothing is due."""
    channel = _find(change, channel_id)
    waiting = (each for each in change.incidents.notices if channel_id in each.waiting)
    notices = tuple(islice(waiting, MOST_CLAIMED))
    state = _state_of(change.incidents, channel_id)
    if channel is None or not notices or not _is_due(state, change.at):
        return None
    state.lease_holder, state.lease_until = holder, change.at + LEASE
    change.incidents.channel_states[channel_id] = state
    return channel, notices


def settle(change: Change, channel: Channel, holder: UUID, errors: Mapping[UUID, str]) -> None:
    """Write the result of each attempt, in their order, and end the lease. ``errors``: by notice; "" for a success."""
    state = change.incidents.channel_states.get(channel.id)
    if state is None:
        return  # the channel was removed, and gets no more notices
    is_held = state.lease_holder == holder
    if is_held:
        state.lease_holder = state.lease_until = None
    for notice_id, error in errors.items():
        if not error:
            _succeed(change, channel, state, notice_id)
        elif is_held:
            _fail(change, channel, state, notice_id, error)


def pause_after(failures: int) -> timedelta:
    """Until the next attempt."""
    return timedelta(seconds=min(2 ** min(failures, 10), _LONGEST_PAUSE))


def _succeed(change: Change, channel: Channel, state: ChannelState, notice_id: UUID) -> None:
    queued, attempts = change.incidents.notices, state.failures + 1
    for notice in queued:
        if notice.id == notice_id and channel.id in notice.waiting:
            notice.waiting.remove(channel.id)
    queued[:] = [notice for notice in queued if notice.waiting]
    state.failures, state.error, state.next_at = 0, "", None
    state.delivered_at = change.at
    change.note("notice.delivered", notice=notice_id, channel=channel.id, attempts=attempts)
    if state.is_failing:
        state.is_failing = False
        title = f"The channel {channel.label} works again"
        _notify_others(change, channel, CHANNEL_RECOVERED, title, "Notices reach it again.")
    forget_removed(change.incidents)


def _fail(change: Change, channel: Channel, state: ChannelState, notice_id: UUID, error: str) -> None:
    queued = change.incidents.notices
    # To the end of the queue: a receiver that refuses one notice must not block the others.
    queued.sort(key=lambda notice: notice.id == notice_id)
    state.failures, state.error = state.failures + 1, error
    state.next_at = change.at + pause_after(state.failures)
    change.note("notice.failed", notice=notice_id, channel=channel.id, error=error, failures=state.failures)
    if channel in change.incidents.leaving:
        if state.failures >= MOST_FAILURES:
            _give_up(change.incidents, channel)
    elif state.failures >= _FAILURES_OF_NOTICE and not state.is_failing:
        state.is_failing = True
        title = f"The channel {channel.label} fails"
        text = (
            f"{state.failures} deliveries in a row failed ({error.replace('_', ' ')}). Its notices wait, and are "
            "sent again until it works. Next step: check this channel and the settings of the server."
        )
        _notify_others(change, channel, CHANNEL_FAILING, title, text)


def _give_up(incidents: Incidents, channel: Channel) -> None:
    """End the deliveries to a removed channel."""
    for notice in incidents.notices:
        notice.waiting = [each for each in notice.waiting if each != channel.id]
    incidents.notices[:] = [notice for notice in incidents.notices if notice.waiting]
    forget_removed(incidents)


def _notify_others(change: Change, channel: Channel, topic: str, title: str, text: str) -> None:
    others = [each for each in change.set.channels if each.id != channel.id]
    queue_text(change, topic, title, text, others, key=f"channel {channel.id}")


def _find(change: Change, channel_id: UUID) -> Channel | None:
    channels = [*change.set.channels, *change.incidents.leaving]
    return next((each for each in channels if each.id == channel_id), None)


def _state_of(incidents: Incidents, channel_id: UUID) -> ChannelState:
    return incidents.channel_states.get(channel_id) or ChannelState()


def _is_due(state: ChannelState, now: datetime) -> bool:
    return all(until is None or until <= now for until in (state.next_at, state.lease_until))
