"""Limits guesses: five failures within 15 minutes lock a subject for 15 minutes. Each is counted before its check.

``counter`` separates password guesses (subject: the username, even without an account) from second-factor guesses
(subject: the user's ID).
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.crypto import salted_hmac

from accounts.models import LoginAttempt, User
from kernel.clock import database_now
from kernel.errors import Throttled
from kernel.observability.metrics import throttled_total

_LIMIT = 5
WINDOW = timedelta(minutes=15)
PASSWORD = "password"  # noqa: S105 - a counter name
TOTP = "totp"


def count(counter: str, subject: str) -> None:
    """Count a guess as failed, durably. Raises Throttled if no guess is left.

    If guesses were counted after the check, parallel guesses would pass uncounted.
    """
    account = _account(counter, subject)
    now = database_now()
    with transaction.atomic():
        row = _lock_row(account, now)
        _require_unlocked(counter, row, now)
        if now >= row.first_at + WINDOW:
            row.failures, row.first_at = 0, now
        row.failures, row.last_at = row.failures + 1, now
        row.save()  # noqa: CC3 - login_attempts have no MAC


def reset(counter: str, subject: str) -> None:
    """Reset the count, after a completed sign-in or when an operator unlocks the account.

    The row is kept: if it were deleted, a parallel ``count`` could neither find it nor insert it.
    """
    now = database_now()
    row = LoginAttempt.objects.filter(account=_account(counter, subject))
    row.update(failures=0, first_at=now, last_at=now)


def locked_until(users: Iterable[User], now: datetime) -> dict[UUID, datetime]:
    """The time at which each locked account accepts guesses again, of either counter. One query."""
    owners = {}
    for user in users:
        owners[_account(PASSWORD, user.username)] = owners[_account(TOTP, str(user.id))] = user.id
    rows = LoginAttempt.objects.filter(account__in=owners, failures__gte=_LIMIT, last_at__gt=now - WINDOW)
    return {owners[row.account]: row.last_at + WINDOW for row in rows.order_by("last_at")}


def _lock_row(account: str, now: datetime) -> LoginAttempt:
    """Return the subject's row, created if necessary and locked until the transaction ends."""
    rows = LoginAttempt.objects.select_for_update().filter(account=account)
    # get_or_create would fail if another process deleted an old row between its two queries.
    while (row := rows.first()) is None:
        # Delete expired rows whenever a new name appears, so that invented names cannot fill the table.
        LoginAttempt.objects.filter(last_at__lt=now - WINDOW).delete()  # noqa: CC3 - deletes old attempts
        begun = LoginAttempt(account=account, failures=0, first_at=now, last_at=now)
        LoginAttempt.objects.bulk_create([begun], ignore_conflicts=True)  # noqa: CC3 - login_attempts have no MAC
    return row


def _require_unlocked(counter: str, row: LoginAttempt, now: datetime) -> None:
    """Raises Throttled, uncounted, so that a refused guess does not extend the lock."""
    wait = math.ceil((row.last_at + WINDOW - now).total_seconds())
    if row.failures >= _LIMIT and wait > 0:
        throttled_total.labels(scope=counter).inc()
        minutes = math.ceil(wait / 60)
        words = "1 minute" if minutes == 1 else f"{minutes} minutes"
        raise Throttled(f"Too many failed sign-ins to this account. Try again in {words}.", retry_after=wait)


def _account(counter: str, subject: str) -> str:
    return salted_hmac(f"accounts.attempts.{counter}", subject.lower(), algorithm="sha256").hexdigest()
