"""How long whatever serves requests waits for a lock of PostgreSQL: somebody may hold a table, or forget a transaction."""

from django.conf import settings

LOCK_WAIT = "5s"


def bound_lock_waits() -> None:
    """From the first connection on, no statement of this process waits for a lock longer than ``LOCK_WAIT``.

    What waits fails as an OperationalError, and its transaction with it. Without a bound every thread would come to
    wait, and sign-out, /health and /livez with them. Migrations and the sequencer are meant to wait, so this is
    asked for by the web server alone.
    """
    if not settings.CC_SQLITE:
        settings.DATABASES["default"]["OPTIONS"]["options"] += f" -c lock_timeout={LOCK_WAIT}"
