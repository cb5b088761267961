"""How many guesses a subject has left: five in fifteen minutes, counted before the guess is looked at.

``counter`` keeps the password's guesses (subject: the username, whether an account has it or not) apart from
those of the second factor (subject: the user's id).
"""

from datetime import datetime

from django.db import transaction
from django.utils.crypto import salted_hmac

from accounts.lockout import WINDOW, Attempts
from accounts.models import LoginAttempt
from kernel.clock import database_now
from kernel.errors import Throttled
from kernel.observability.metrics import throttled_total

PASSWORD = "password"  # noqa: S105 - the name of a counter
TOTP = "totp"


def spend(counter: str, subject: str) -> None:
    """Count a guess as failed, durably. Raises Throttled where none is left.

    Counted before the check: afterwards, parallel guesses would pass uncounted.
    """
    account = _account(counter, subject)
    now = database_now()
    with transaction.atomic():
        row = _hold(account, now)
        counted = _counted(counter, row, now)
        row.failures, row.first_at, row.last_at = counted.failures, counted.first_at, counted.last_at
        row.save()


def forgive(counter: str, subject: str) -> None:
    """Start counting from nothing: a log-in was completed, or an operator unlocked the account.

    The row stays: were it deleted, a parallel ``spend`` could find it neither there nor free to insert.
    """
    now = database_now()
    row = LoginAttempt.objects.filter(account=_account(counter, subject))
    row.update(failures=0, first_at=now, last_at=now)


def _hold(account: str, now: datetime) -> LoginAttempt:
    """The subject's row, new or not, locked until the transaction ends."""
    held = LoginAttempt.objects.select_for_update().filter(account=account)
    # get_or_create would fail where another process drops an old row between its two looks.
    while (row := held.first()) is None:
        # Invented names must not fill the table: what no longer counts goes whenever a new name comes.
        LoginAttempt.objects.filter(last_at__lt=now - WINDOW).delete()
        begun = LoginAttempt(account=account, failures=0, first_at=now, last_at=now)
        LoginAttempt.objects.bulk_create([begun], ignore_conflicts=True)
    return row


def _counted(counter: str, row: LoginAttempt, now: datetime) -> Attempts:
    try:
        return Attempts(row.failures, row.first_at, row.last_at).another(now)
    except Throttled:
        throttled_total.labels(scope=counter).inc()
        raise


def _account(counter: str, subject: str) -> str:
    return salted_hmac(f"accounts.attempts.{counter}", subject.lower(), algorithm="sha256").hexdigest()
