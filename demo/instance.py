"""Whether this instance has the demo: two entries of the log record its beginning and its end, permanently."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Final, Literal

from django.db import transaction

from accounts import actions as account_actions
from accounts.models import User
from accounts.principals import Principal
from audit import actions as audit_actions
from audit.log.events import Event
from audit.models import AuditBundle, AuditLog
from audit.sequencing.bundles.taking import waiting_columns
from audit.sequencing.catching_up import catch_up
from audit.services.recording import record, record_alone
from audit.verification.integrity import FoundEntry, stream_entries
from demo import actions as demo_actions
from kernel import installation
from kernel.errors import Conflict
from kernel.freshness.epoch import raise_epoch
from keys.models import Key

type _DemoState = Literal["none", "incomplete", "complete"]

_NEW_INSTANCE: Final = "Start a new instance, with an empty data folder (CC_HOME) and an empty database."
_IN_USE: Final = f"This instance is in use: {{}}. The demo needs an empty instance. {_NEW_INSTANCE}"
_LOADED: Final = f"This instance already has the demo. {_NEW_INSTANCE}"
INCOMPLETE: Final = (
    "The demo of this instance is incomplete, because load_demo was interrupted. Do not use this instance. "
    f"{_NEW_INSTANCE} Then run {installation.MANAGE} load_demo there."
)
# The log of an instance contains these before its first use.
_SETUP: Final = (
    account_actions.SIGNING_KEY_PUBLISHED,
    account_actions.SIGNING_KEY_ROTATED,
    account_actions.SETUP_READ,
    audit_actions.JOURNAL_ANCHORED,
    account_actions.SETUP_LINK_ISSUED,
    account_actions.USER_CREATED,
    account_actions.SESSION_OPENED,
    account_actions.SESSION_REFRESHED,
    account_actions.SESSION_CLOSED,
    audit_actions.CHECKPOINT_KEY_PUBLISHED,
    audit_actions.WRITER_HEARTBEAT,
    audit_actions.PASS_FINISHED,
    audit_actions.STATE_BEGUN,
    audit_actions.ROWS_CHANGED,
)


def demo_state() -> _DemoState:
    """One query."""
    marks = AuditLog.objects.filter(action__in=(demo_actions.DEMO_STARTED, demo_actions.DEMO_LOADED))  # noqa: CC2 - whether this is a demo instance
    found = set(marks.order_by().values_list("action", flat=True).distinct())
    if not found:
        return "none"
    return "complete" if demo_actions.DEMO_LOADED in found else "incomplete"


def mark_started(principal: Principal, *, names: Mapping[str, str], begins_at: datetime, days: int) -> None:
    """Record that this is a demo instance. Raises Conflict unless it is empty.

    ``names`` are those of the demo's users. The lock of the epoch makes each change in another process wait, or makes
    it visible here. So nothing else happens between the check and the entry.
    """
    catch_up()
    with transaction.atomic():
        raise_epoch("demo")
        _require_empty(principal, names)
        meta = {"days": days, "history_begins_at": begins_at}
        record(Event(action=demo_actions.DEMO_STARTED, meta=meta), principal.actor)


def mark_loaded(principal: Principal) -> None:
    """Record that the demo is complete."""
    record_alone(Event(action=demo_actions.DEMO_LOADED), principal.actor)


def _require_empty(principal: Principal, names: Mapping[str, str]) -> None:
    if (state := demo_state()) != "none":
        raise Conflict(_LOADED if state == "complete" else INCOMPLETE)
    if Key.objects.visible_to(principal).exists():
        raise Conflict(_IN_USE.format("it has keys"))
    users = list(User.objects.values_list("username", flat=True)[:2])
    if len(users) > 1:
        raise Conflict(_IN_USE.format("it has several users"))
    if users and users[0] in names:
        raise Conflict(_IN_USE.format(f"the demo has another user {users[0]}"))
    for columns in waiting_columns(AuditBundle.objects.all()):
        _require_setup_action(columns["action"])
    with closing(stream_entries(AuditLog.objects.order_by("id"))) as entries:  # noqa: CC2 - whether the instance is empty
        for entry in entries:
            _require_setup(entry)


def _require_setup(entry: FoundEntry) -> None:
    """Raises Conflict unless the application wrote the entry during the set-up."""
    place, action = entry.columns["id"], entry.columns["action"]
    if entry.faults:
        raise Conflict(_IN_USE.format(f"entry {place} of its audit log was altered"))
    _require_setup_action(action)


def _require_setup_action(action: object) -> None:
    if action not in _SETUP:
        raise Conflict(_IN_USE.format(f"its audit log has more than the set-up, such as {action}"))
