"""End the credential of an incident, by an ordinary change on record.

It also ends a canary's own credential: a credential that still works would be known as a canary.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from accounts.models import ServiceToken, User
from accounts.principals import Principal
from accounts.service_accounts.services.accounts import update_service_account
from accounts.service_accounts.services.tokens import revoke_token
from accounts.users.services.editing import disable_user, is_last_admin, sign_out_everywhere
from audit.log.events import Source
from canaries.documents import Incident, Incidents, Office, active_officers
from canaries.notices import QUARANTINE_FAILED, queue_text
from canaries.sealed.store import Change, changing, read_opened
from kernel.clock import database_now
from kernel.databases.lock_waits import bounded
from kernel.errors import DomainError, NotFound

logger = logging.getLogger(__name__)

_REASON: Final = "suspicious use"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_PAUSE: Final = timedelta(minutes=1)


@bounded()
def quarantine_due() -> None:
    """End the credentials of incidents that require it. If the worker is killed, the next one repeats it.

    A failure is repeated after a minute. Officers get a notice of the first one.
    """
    documents = read_opened()
    for incident in _due(documents.incidents, database_now()):
        try:
            ended = _end(incident.credential, documents.set.offices)
        except (DomainError, ValueError):
            logger.exception("a credential could not be ended")
            ended = ""
        _note(incident.id, ended)


def _note(incident_id: UUID, ended: str) -> None:
    with changing() as change:
        for incident in change.incidents.incidents:
            if incident.id != incident_id:
                continue
            if ended:
                incident.quarantined_at = change.at
                change.note("credential.ended", incident=incident_id, ended=ended)
            else:
                _note_failure(change, incident)


def _note_failure(change: Change, incident: Incident) -> None:
    if incident.quarantine_failed_at is None:
        text = f"Incident: {incident.id}. Next step: end the credential {incident.credential} yourself."
        queue_text(change, QUARANTINE_FAILED, "A credential could not be ended", text, change.set.channels)
    incident.quarantine_failed_at = change.at


def _due(incidents: Incidents, now: datetime) -> list[Incident]:
    return [
        each
        for each in incidents.incidents
        if each.is_open
        and each.proved_at
        and (each.quarantined_at or _NEVER) < each.proved_at
        and now - (each.quarantine_failed_at or _NEVER) >= _PAUSE
    ]


def _end(credential: str, offices: list[Office]) -> str:
    """What was ended: a word of the journal. Strangers and the host have none."""
    kind, _, name = credential.partition(":")
    principal = Principal.system("session control", Source.SCHEDULER)
    try:
        match kind:
            case "token":
                return _end_token(principal, UUID(name))
            case "user":
                return _end_user(principal, UUID(name), offices)
            case "service_account":
                return _end_account(principal, UUID(name))
    except NotFound:
        return "missing"
    return "nothing"


def _end_token(principal: Principal, token_id: UUID) -> str:
    """A token that a client got for its secret ends with the client, which would get the next one."""
    issued = ServiceToken.objects.filter(pk=token_id, is_issued=True).first()
    if issued is not None and issued.service_account_id is not None:
        return _end_account(principal, issued.service_account_id)
    revoke_token(principal=principal, token_id=token_id, reason=_REASON)
    return "token"


def _end_account(principal: Principal, account_id: UUID) -> str:
    update_service_account(
        principal=principal, account_id=account_id, changes={"is_active": False}, reason=_REASON
    )
    return "service_account"


def _end_user(principal: Principal, user_id: UUID, offices: list[Office]) -> str:
    """Disable the user. The last administrator and the last officer must only sign in again."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound
    if is_last_admin(user) or _is_last_officer(user_id, offices):
        sign_out_everywhere(principal=principal, user_id=user_id, reason=_REASON)
        return "sessions"
    disable_user(principal=principal, user_id=user_id, reason=_REASON)
    return "user"


def _is_last_officer(user_id: UUID, offices: list[Office]) -> bool:
    able = User.objects.filter(pk__in=active_officers(offices, database_now()), is_active=True)
    return set(able.values_list("pk", flat=True)) == {user_id}
