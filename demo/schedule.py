"""When what happens in the demo: pure, and the same for the same seed and times."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - the schedule of the demo repeats; no key or password
from typing import Final, Literal

from demo.data import (
    ADMIN,
    APPLICATIONS,
    AUDITOR,
    GUESSED,
    INCIDENT,
    OFFICER,
    OPERATOR,
    PLANTED_CIPHERTEXT,
    PRECAUTION,
    PROGRAMS,
    ROTATED_AFTER_INCIDENT,
    STRANGER,
    DemoApplication,
    DemoKey,
    Rhythm,
)

type StepKind = Literal[
    "define_policies",
    "create",
    "encrypt",
    "decrypt",
    "rotate",
    "rotate_due",
    "retire",
    "doom",
    "end",
    "sign_in",
    "sign_out",
    "fail_to_sign_in",
    "open_session",
    "refresh",
    "replace_password",
    "export",
    "appoint",
    "plant",
    "intrude",
    "connect",
    "call",
    "add_webhook",
    "move_in",
]

_SEED: Final = 412
_HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_SHORT: Final = timedelta(days=14)  # a shorter history ignores working hours, because it may have none
SATURDAY: Final = 5
_NIGHTLY: Final = timedelta(hours=3, minutes=5)
_JOB_STOPPED: Final = 2 * DAY  # before the end: since then, due rotations are overdue
_REFRESH: Final = 12 * _HOUR

# Shares of a working day by hour (UTC), and the factor of a weekend.
_SHOP = (1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 6, 6, 7, 8, 9, 8, 6, 4, 2)
_OFFICE = (0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 10, 6, 9, 12, 11, 8, 4, 1, 1, 0, 0, 0, 0)
_NIGHT = (0, 0, 1, *[0] * 21)
_RHYTHMS: Final[dict[Rhythm, tuple[tuple[int, ...], float]]] = {
    "shop": (_SHOP, 0.45),
    "office": (_OFFICE, 0.04),
    "night": (_NIGHT, 1.0),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One event at one time. ``subject`` is a key or a user; ``origin`` is in ``ORIGINS``, "" for the caller's own.

    ``count`` messages have ``size`` bytes each.
    """

    at: datetime
    kind: StepKind
    subject: str = ""
    reason: str = ""
    count: int = 1
    size: int = 40
    origin: str = ""


def plan(keys: Sequence[DemoKey], begins: datetime, ends: datetime, session: timedelta) -> list[Step]:
    """All steps of a history from ``begins`` until ``ends`` (aware UTC), in order.

    A program signs in again after each ``session``.
    """
    schedule = _Schedule(keys, begins, ends, session)
    return sorted((step for step in schedule.steps() if begins <= step.at < ends), key=lambda step: step.at)


class _Schedule:
    def __init__(self, keys: Sequence[DemoKey], begins: datetime, ends: datetime, session: timedelta) -> None:
        self._keys, self._session = keys, session
        self._begins, self._ends, self._span = begins, ends, ends - begins
        self._chance = Random(_SEED)  # noqa: S311 - two demos look alike; keys and passwords do not come from here
        self._lives = {key.name: self._life_of(key) for key in keys}

    def steps(self) -> Iterator[Step]:
        yield from self._done_by(ADMIN, Step(self._begins + timedelta(minutes=4), "define_policies"))
        for key in self._keys:
            yield from self._of_key(key)
        for program in PROGRAMS:
            yield from self._sessions_of(program)
        for day in self._days():
            if day < self._ends - _JOB_STOPPED:
                yield Step(day + _NIGHTLY, "rotate_due")
            yield from self._routine(day)
        for share in (0.2, 0.45, 0.7, 0.93):
            at = self._working(share)
            yield from self._visit(AUDITOR, at)
            yield Step(at, "export")
        yield from self._guesses(self._near(0.62, hour=3), GUESSED)
        if INCIDENT in self._lives:
            yield from self._incident(self._lives[INCIDENT][1])
        for application in APPLICATIONS:
            if application.key in self._lives:
                yield from self._of_application(application)
        yield from self._done_by(ADMIN, Step(self._working(0.4), "add_webhook"))
        yield from self._canaries(self._working(0.3))
        yield from self._done_by(ADMIN, Step(self._working(0.5), "move_in"))

    def _of_key(self, key: DemoKey) -> Iterator[Step]:
        born, ended = self._lives[key.name]
        yield Step(born, "create", key.name)
        yield from self._uses(key, born, ended)
        for share, reason in key.rotations:
            at = self._working((born - self._begins + (ended - born) * share) / self._span)
            yield from self._done_by(OPERATOR, Step(at, "rotate", key.name, reason))
        if key.retired:
            yield from self._done_by(OPERATOR, Step(self._working(key.fated), "retire", key.name))
        if key.doomed:
            yield from self._done_by(ADMIN, Step(self._working(key.fated), "doom", key.name))
        if key.fate in {"disabled", "revoked", "scheduled"}:
            by = OPERATOR if key.fate == "disabled" else ADMIN
            yield from self._done_by(by, Step(ended, "end", key.name))
        if key.fate in {"disabled", "scheduled"}:
            yield from self._forgotten_job(key, ended)

    def _life_of(self, key: DemoKey) -> tuple[datetime, datetime]:
        """When the key is created, and when it ends or the history does."""
        born = self._working(key.born)
        if key.fate in {"disabled", "revoked", "compromised", "scheduled"}:
            return born, self._working(key.fated)
        expires = time_of(key.fated, self._begins, self._ends) if key.fate == "expires" else self._ends
        return born, min(self._ends, expires)

    def _uses(self, key: DemoKey, begins: datetime, ends: datetime) -> Iterator[Step]:
        hours, weekend = _RHYTHMS[key.use.rhythm]
        hour = begins.replace(minute=0, second=0, microsecond=0)
        while hour < ends:
            growth = 0.45 + 0.55 * ((hour - self._begins) / self._span)
            wanted = key.use.calls * growth * hours[hour.hour] / sum(hours)
            wanted *= weekend if hour.weekday() >= SATURDAY else 1.0
            yield from self._calls(key, hour, int(wanted + self._chance.random()), begins, ends)
            hour += _HOUR

    def _calls(
        self, key: DemoKey, hour: datetime, number: int, begins: datetime, ends: datetime
    ) -> Iterator[Step]:
        for _ in range(number):
            at = hour + _HOUR * self._chance.random()
            kind: StepKind = "decrypt" if self._chance.random() < key.use.reads else "encrypt"
            count = max(1, int(key.use.batch * self._chance.random() ** 2))
            if begins < at < ends:
                yield Step(at, kind, key.name, count=count, size=self._chance.randint(8, 600))

    def _forgotten_job(self, key: DemoKey, disabled: datetime) -> Iterator[Step]:
        """A job that still calls a key that was stopped, every hour until now."""
        at = self._ends - timedelta(minutes=14)
        while at > disabled:
            yield Step(at + timedelta(seconds=self._chance.random()), "encrypt", key.name)
            at -= _HOUR

    def _sessions_of(self, program: str) -> Iterator[Step]:
        at = self._begins + timedelta(seconds=30 + self._chance.random() * 60)
        while at < self._ends:
            yield Step(at, "open_session", program)
            for number in range(1, int(self._session / _REFRESH)):
                wait = _REFRESH * number + timedelta(minutes=self._chance.random())
                yield Step(at + wait, "refresh", program)
            at += self._session

    def _routine(self, day: datetime) -> Iterator[Step]:
        """On many working days, one person looks at the console."""
        at = day + timedelta(minutes=self._chance.randrange(8 * 60, 11 * 60))
        if day.weekday() >= SATURDAY or at < self._begins + _HOUR or self._chance.random() > 0.6:  # noqa: PLR2004 - the share of such days
            return
        who = self._chance.choice((ADMIN, OPERATOR, OPERATOR, AUDITOR))
        if self._chance.random() < 0.15:  # noqa: PLR2004 - the share of typing errors
            yield Step(at - timedelta(minutes=5), "fail_to_sign_in", who)
        yield from self._visit(who, at)

    def _visit(self, who: str, at: datetime) -> Iterator[Step]:
        """A browser session around ``at``: a recent sign-in before it, and the sign-out after it."""
        yield Step(at - timedelta(minutes=3, seconds=self._chance.randrange(60)), "sign_in", who)
        yield Step(at + timedelta(minutes=self._chance.randrange(10, 90)), "sign_out", who)

    def _done_by(self, who: str, step: Step) -> Iterator[Step]:
        yield from self._visit(who, step.at)
        yield step

    def _guesses(self, at: datetime, names: Iterable[str]) -> Iterator[Step]:
        for number, name in enumerate(names):
            wait = timedelta(seconds=20 * number + self._chance.randrange(15))
            yield Step(at + wait, "fail_to_sign_in", name, origin=STRANGER)

    def _incident(self, noticed: datetime) -> Iterator[Step]:
        """A stranger reads with a stolen token, until the key is marked as compromised, and then still tries."""
        begun = noticed - timedelta(hours=6)
        for _ in range(40):
            at = begun + timedelta(minutes=25) * self._chance.random()
            yield Step(at, "decrypt", INCIDENT, count=self._chance.randint(5, 20), origin=STRANGER)
        yield from self._done_by(ADMIN, Step(noticed, "end", INCIDENT))
        yield Step(noticed + timedelta(minutes=4), "replace_password", "report-job")
        for number in range(36):
            wait = timedelta(minutes=2 + number**2 * 1.2 + self._chance.random() * 3)
            yield Step(noticed + wait, "decrypt", INCIDENT, origin=STRANGER)
        yield from self._guesses(noticed + timedelta(hours=2), ["report-job"] * 4)
        for number, name in enumerate(ROTATED_AFTER_INCIDENT):
            at = noticed + timedelta(minutes=40 + 4 * number)
            if name in self._lives:
                yield from self._done_by(OPERATOR, Step(at, "rotate", name, PRECAUTION))

    def _of_application(self, application: DemoApplication) -> Iterator[Step]:
        """It calls about three times in office hours of each working day, with the token from then.

        It is connected after its keys are created: once a tag has a grant, no developer can give it to a key.
        """
        tag, name = application.tag, application.key
        born = [self._lives[key.name][0] for key in self._keys if key.name == name or tag in key.tags]
        connected = max(self._working(0.36), max(born) + timedelta(minutes=5))
        yield from self._done_by(ADMIN, Step(connected, "connect", application.name))
        for day in self._days():
            for _ in range(self._chance.randint(2, 4)):
                at = day + timedelta(hours=8) + timedelta(hours=9) * self._chance.random()
                if at > connected and day.weekday() < SATURDAY:
                    yield Step(at, "call", application.name, count=self._chance.randint(1, 5))

    def _canaries(self, at: datetime) -> Iterator[Step]:
        """The officer is appointed, then decoys are planted. Shortly before now, a stranger uses the planted token."""
        yield from self._done_by(OFFICER, Step(at, "appoint", OFFICER))
        planted = at + timedelta(minutes=25)
        yield Step(planted - timedelta(minutes=5), "encrypt", PLANTED_CIPHERTEXT, size=600)
        yield from self._done_by(ADMIN, Step(planted, "plant"))
        yield Step(self._ends - timedelta(minutes=38), "intrude", origin=STRANGER)

    def _days(self) -> Iterator[datetime]:
        day = self._begins.replace(hour=0, minute=0, second=0, microsecond=0)
        while day < self._ends:
            yield day
            day += DAY

    def _near(self, share: float, *, hour: int) -> datetime:
        return time_of(share, self._begins, self._ends).replace(hour=hour, minute=self._chance.randrange(60))

    def _working(self, share: float) -> datetime:
        """A time in working hours near that share of the history, and inside it."""
        at = time_of(share, self._begins, self._ends)
        if self._span < _SHORT:
            return at + timedelta(minutes=self._chance.randrange(5, 50))
        found = at.replace(hour=8, minute=0) + timedelta(seconds=self._chance.randrange(8 * 3600))
        step = DAY if share < 0.5 else -DAY  # noqa: PLR2004 - away from the nearer end
        while found.weekday() >= SATURDAY or not self._begins + _HOUR < found < self._ends - _HOUR:
            found += step
        return found


def time_of(share: float, begins: datetime, ends: datetime) -> datetime:
    """The time at that share of the history; above 1.0, it is in the future."""
    return begins + (ends - begins) * share
