"""The requests that an action on a key would have denied: a forecast of those that it will deny."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.usage.of_key import Selection, Total, totals, totals_by_caller
from kernel.clock import process_now
from kernel.errors import Invalid
from keys.impact import OF_ONE_VERSION, Advice, KeyAction, StoppedVersions, affected, stopped_versions
from keys.models import Key
from keys.reading.services import get_key
from keys.usage.services.callers import CallerUses, by_action, callers_shown_to
from keys.usage.services.usage import DEFAULT_DAYS, UseRecord, names_versions, read_record, start_of

_RECENT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The requests of the last 30 days that an action would have denied.

    ``stops``: None if all versions still decrypt.
    """

    count: int
    last_at: datetime | None
    by_action: Mapping[str, int]
    stops: StoppedVersions | None

    @property
    def is_recent(self) -> bool:
        """Whether a caller would soon notice the action."""
        return is_recent(self.last_at)


@dataclass(frozen=True, slots=True)
class Impact:
    """A forecast, its period, the record that it rests on, and the callers that it concerns."""

    key_id: UUID
    action: KeyAction
    since: datetime
    count_24_hours: int
    forecast: Forecast
    record: UseRecord
    callers: CallerUses
    advice: Advice


def is_recent(used: datetime | None) -> bool:
    """Whether a use at this time is one of the last 7 days."""
    return used is not None and process_now() - used < _RECENT


def forecast(*, key: Key, action: KeyAction, number: int = 0) -> Forecast:
    """A forecast of the action on a visible key. At most one statement.

    ``number`` is the new minimum version, or the version that the action concerns.
    """
    selection = _selection(key, action, number)
    denied = totals(key.id, start_of(DEFAULT_DAYS), selection) if selection else []
    return _forecast(key, action, number, denied)


def read_impact(
    *,
    principal: Principal,
    key_id: UUID,
    action: KeyAction,
    version: int | None = None,
    min_decryption_version: int | None = None,
) -> Impact:
    """The impact of the action on a visible key. Raises Denied, NotFound, Invalid."""
    principal.require("keys.read")
    key = get_key(principal=principal, key_id=key_id)
    named = _number(key, "version", version, is_needed=action in OF_ONE_VERSION)
    minimum = _number(
        key, "min_decryption_version", min_decryption_version, is_needed=action is KeyAction.RAISE_MINIMUM
    )
    number, since, record = named or minimum, start_of(DEFAULT_DAYS), read_record(key)
    selection = _selection(key, action, number)
    denied = totals_by_caller(key.id, since, selection) if selection else []
    lately = totals(key.id, start_of(1), selection) if selection and denied else []
    is_known = record.is_whole or record.since <= since
    return Impact(
        key_id=key.id,
        action=action,
        since=since,
        count_24_hours=sum(total.count for total in lately),
        forecast=_forecast(key, action, number, denied),
        record=record,
        callers=callers_shown_to(principal, key, denied),
        advice=_advice(selection, denied, is_known=is_known),
    )


def _selection(key: Key, action: KeyAction, number: int) -> Selection | None:
    minimum = key.min_decryption_version
    return affected(action, number, minimum=minimum, names_versions=names_versions(key))


def _forecast(key: Key, action: KeyAction, number: int, denied: Sequence[Total]) -> Forecast:
    return Forecast(
        count=sum(total.count for total in denied),
        last_at=max((total.last_at for total in denied), default=None),
        by_action=by_action(denied),
        stops=stopped_versions(
            action, number, minimum=key.min_decryption_version, primary_version=key.primary_version
        ),
    )


def _advice(selection: Selection | None, denied: Sequence[Total], *, is_known: bool) -> Advice:
    """``is_known``: whether the record covers the period."""
    if selection is None:
        return Advice.NO_EFFECT
    if denied:
        return Advice.IN_USE
    return Advice.UNUSED if is_known else Advice.NO_RECORD


def _number(key: Key, field: str, number: int | None, *, is_needed: bool) -> int:
    """The number of a version; 0 if the action needs none. Raises Invalid."""
    if not is_needed:
        if number is not None:
            raise Invalid.of_field(field, "This action does not take this parameter.")
        return 0
    if number is None or number > key.primary_version:
        raise Invalid.of_field(field, f"Send a version from 1 to {key.primary_version}.")
    return number
