"""Compare the protected rows with the sums of what the application wrote (``audit.sequencing.state``).

Changes in waiting bundles count. Each comparison reads one snapshot.
"""

import logging
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import django.db
from django.db import connection

from audit.log.raw_rows import reading
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.continuity import waiting_changes
from audit.sequencing.state import State, Sum, Sums, protected_models
from audit.sequencing.state_beginning import has_state_begun
from audit.sequencing.state_heads import missing_rows
from audit.sequencing.tree import read_tree
from audit.services.alarms import raise_alarms
from audit.verification.findings import Finding, FindingKind
from kernel.databases.changes import Change
from kernel.runtime import ProcessState
from kernel.trust.row_mac import IntegrityFailed, MacProtectedRow

logger = logging.getLogger(__name__)

_AT_ONCE = 2  # tables in one call of ``watch_state``
_NAMED = 5  # rows in the text of a difference
_LOCK_WAIT = 5000  # milliseconds
_AGAIN_SECONDS = 10.0  # between comparisons of a table for requests


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows of a table differ from its sum by ``by``. It stays the same while the application changes other rows."""

    model: type[MacProtectedRow]
    by: Sum
    rows: Sequence[str] = ()  # by primary key: those with another head, and heads without a row

    def __str__(self) -> str:
        named = ", ".join(self.rows[:_NAMED]) + (", …" if self.rows[_NAMED:] else "")
        return f"{self._text}; state_heads differs for {named}" if named else self._text

    @property
    def is_of_heads(self) -> bool:
        """The rows are right."""
        return self.by == Sum()

    @property
    def _text(self) -> str:
        table, rows = self.model._meta.db_table, abs(self.by.rows)
        number = f"{rows} row{'' if rows == 1 else 's'}"
        if self.is_of_heads:
            return f"the rows of {table} are those that the application wrote"
        if not rows:
            return f"at least one row of {table} is an older one, or was altered"
        if self.by.rows < 0:
            return f"{table} lacks {number} that the application wrote"
        return f"{table} has {number} more than the application wrote"

    @property
    def alarm(self) -> Alarm:
        table = self.model._meta.db_table
        if self.is_of_heads:
            expected = f"the heads of the rows of {table}"
            return Alarm(kind=AlarmKind.HEADS_ALTERED, expected=expected, found=str(self), identity=table)
        digest = sha256(f"{self.by.rows} {self.by.total}".encode()).hexdigest()
        return Alarm(
            kind=AlarmKind.STATE_ALTERED,
            expected=f"the rows of {table} as the application wrote them",
            found=str(self),
            identity=f"state {self.model.MAC_LABEL} {digest}",
        )

    @property
    def acceptance(self) -> Change:
        """The change that makes the sum that of the rows."""
        return self.by.acceptance(self.model.MAC_LABEL)


def check_state() -> Iterator[Finding]:
    """One finding for each table that differs, in the caller's snapshot; one if there are no valid sums."""
    try:
        state = _read_state()
    except IntegrityFailed:
        return  # the finding is that of the tree
    if state.is_altered:
        yield Finding(FindingKind.STATE, "the sums of the protected rows are missing, or of another tree")
    for difference in _differences(state, protected_models()):
        yield Finding(FindingKind.STATE, str(difference))


def watch_state() -> None:
    """Compare the next tables, in a new random order each time that all were compared. Raises django.db.Error."""
    _watch(_round.current.next())


def compare_soon(model: type[MacProtectedRow]) -> None:
    """Compare a table in a thread of its own: the caller's transaction is about to fail. Never raises or waits."""
    _requested.current.start(model)


def _watch(models: Sequence[type[MacProtectedRow]]) -> None:
    """Compare each of the tables, even if another one is locked. Raises django.db.Error for the last that could not be read."""
    failure: django.db.Error | None = None
    for model in models:
        try:
            _watch_table(model)
        except django.db.Error as error:
            failure = error
    if failure is not None:
        raise failure


def _watch_table(model: type[MacProtectedRow]) -> None:
    with _reading_soon():
        state = _read_state()
        found = list(_differences(state, [model]))
    if found:
        with _reading_soon():  # a person may have accepted a difference meanwhile
            found = list(_differences(_read_state(), [model]))
    raise_alarms([*state.alarms, *(difference.alarm for difference in found)])


@contextmanager
def _reading_soon() -> Iterator[None]:
    """A snapshot whose statements wait for no lock for long. Otherwise an attacker could stop all comparisons with one."""
    with reading():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {_LOCK_WAIT}")
        yield


def find_difference(evidence: str) -> Difference | None:
    """The difference of an alarm with this evidence, if it is still there. Raises django.db.Error."""
    with reading():
        found = list(_differences(_read_state(), protected_models()))
    return next((difference for difference in found if difference.alarm.evidence == evidence), None)


def _read_state() -> State:
    """Sums that are missing although they have begun are altered ones. Raises IntegrityFailed for an altered tree."""
    state = State.of(read_tree())
    is_missing = state.sums is None and not state.is_altered and has_state_begun()
    return State(is_altered=True) if is_missing else state


def _differences(state: State, models: Iterable[type[MacProtectedRow]]) -> Iterator[Difference]:
    if state.sums is None:
        return
    expected, found = state.sums, Sums({})
    expected.apply(waiting_changes())
    for model in models:
        differing = found.add_rows(model)
        by = found.of(model) - expected.of(model)
        rows = [*sorted(differing), *missing_rows(model, _NAMED + 1)] if expected.has_heads else []
        if rows or by != Sum():
            yield Difference(model, by, rows)


class _Round:
    """The tables that were not compared since the last time that all were. An attacker cannot know which one is next."""

    def __init__(self) -> None:
        self._left: list[type[MacProtectedRow]] = []

    def next(self) -> list[type[MacProtectedRow]]:
        if not self._left:
            self._left = protected_models()
            secrets.SystemRandom().shuffle(self._left)
        taken, self._left = self._left[:_AT_ONCE], self._left[_AT_ONCE:]
        return taken


_round = ProcessState(_Round)


class _Requested:
    """Comparisons that requests have led to: at most one of a table at a time, and one every ``_AGAIN_SECONDS``."""

    def __init__(self) -> None:
        self._due: dict[type[MacProtectedRow], float] = {}
        self._threads: list[threading.Thread] = []

    def start(self, model: type[MacProtectedRow]) -> None:
        now = time.monotonic()
        if now < self._due.get(model, now):
            return
        self._due[model] = now + _AGAIN_SECONDS
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        try:
            thread = threading.Thread(target=_compare, args=[model], daemon=True)
            thread.start()
        except RuntimeError:  # no thread can be started: the worker compares the table
            return
        self._threads.append(thread)

    def close(self) -> None:
        for thread in self._threads:
            thread.join()


def _compare(model: type[MacProtectedRow]) -> None:
    try:
        _watch([model])
    except Exception:
        logger.exception("the rows of %s could not be compared", model._meta.db_table)
    finally:
        django.db.connections.close_all()


_requested = ProcessState(_Requested)
