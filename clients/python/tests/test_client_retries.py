"""When a request is sent again, and after how long."""

from datetime import datetime, timezone
from email.utils import format_datetime

import pytest

from ciphercanary_client import ConnectionFailed, DecryptionFailed, Retries
from ciphercanary_client.errors import error_of
from ciphercanary_client.retries import Attempts, is_worth_repeating
from ciphercanary_client.retry_after import retry_after_seconds

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        ("0", 0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        (format_datetime(NOW.replace(second=30), usegmt=True), 30),
        (format_datetime(NOW.replace(hour=11), usegmt=True), 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after_seconds(value, NOW.timestamp()) == seconds


def problem(status, code="", retry_after=None):
    headers = {"content-type": "application/problem+json"}
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return error_of(status, headers, f'{{"code": "{code}", "detail": "d"}}'.encode())


@pytest.mark.parametrize(
    ("error", "if_repeatable", "otherwise"),
    [
        (problem(429, "throttled"), True, True),
        (problem(503, "overloaded"), True, True),
        (problem(503, "audit_unavailable"), True, False),
        (problem(503, "outcome_unknown"), True, False),
        (error_of(503, {"content-type": "text/plain"}, b"overloaded"), True, False),
        (problem(503, "integrity_failed"), False, False),
        (problem(502), True, False),
        (problem(504), True, False),
        (problem(500, "internal"), False, False),
        (problem(409, "request_in_progress", 1), True, True),
        (problem(409, "key_not_active"), False, False),
        (problem(400, "invalid_request"), False, False),
        (problem(401, "token_expired"), False, False),
        (ConnectionFailed("no", was_sent=False), True, True),
        (ConnectionFailed("no", was_sent=True), True, False),
        (DecryptionFailed("no"), False, False),
    ],
    ids=str,
)
def test_only_what_is_safe_and_can_help_is_repeated(error, if_repeatable, otherwise):
    assert is_worth_repeating(error, is_repeatable=True) == if_repeatable
    assert is_worth_repeating(error, is_repeatable=False) == otherwise


def pauses(error, retries, draw=max):
    """All pauses until the error is raised, with a clock that they advance."""
    now, found = [0.0], []
    attempts = Attempts(retries, clock=lambda: now[0], uniform=draw)
    while True:
        try:
            found.append(attempts.pause_after(error))
        except type(error):
            return found
        now[0] += found[-1]


def test_pauses_double_up_to_the_longest():
    assert pauses(problem(503), Retries(attempts=6, first_pause=1, longest_pause=4)) == [1, 2, 4, 4, 4]
    assert pauses(problem(503), Retries(attempts=3, first_pause=1), draw=min) == [0.5, 1]


def test_a_retry_after_is_waited_for():
    assert pauses(problem(429, retry_after=7), Retries(attempts=3, first_pause=1)) == [8, 9]


def test_no_attempt_begins_after_the_total_time():
    assert pauses(problem(503), Retries(attempts=99, first_pause=4, longest_pause=4, total=10)) == [4, 4]
    assert pauses(problem(429, retry_after=900), Retries()) == []


def test_one_attempt_means_no_retries():
    assert pauses(problem(503), Retries(attempts=1)) == []
