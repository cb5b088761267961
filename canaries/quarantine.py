"""End the credential of an incident, by an ordinary change on record.

It also ends a canary's own credential: whatever still answered would be known as a canary.
"""

import logging
from typing import Final
from uuid import UUID

from accounts.models import User
from accounts.principals import Principal
from accounts.service_accounts.services.accounts import update_service_account
from accounts.service_accounts.services.tokens import revoke_token
from accounts.users.services.editing import disable_user, is_last_admin, sign_out_everywhere
from audit.log.events import Source
from canaries.documents import Incident, Incidents, Level, Office
from canaries.store import changing, read_documents
from kernel.clock import database_now
from kernel.errors import DomainError, NotFound

logger = logging.getLogger(__name__)

_REASON: Final = "suspicious use"


def quarantine_due() -> None:
    """End the credentials of the incidents that ask for it. A killed worker repeats it, which changes nothing."""
    documents = read_documents()
    for incident in _due(documents.incidents):
        try:
            ended = _end(incident.credential, documents.set.offices)
        except DomainError:
            logger.exception("a credential could not be ended")
            continue
        with changing() as change:
            found = next(each for each in change.incidents.incidents if each.id == incident.id)
            found.quarantined_at = change.at
            change.note("credential.ended", incident=incident.id, credential=incident.credential, ended=ended)


def _due(incidents: Incidents) -> list[Incident]:
    return [
        each
        for each in incidents.incidents
        if each.is_open and each.level is Level.QUARANTINE and each.quarantined_at is None
    ]


def _end(credential: str, offices: list[Office]) -> str:
    """What was ended: a word of the journal. An address is no credential."""
    kind, _, name = credential.partition(":")
    principal = Principal.system("session control", Source.SCHEDULER)
    try:
        match kind:
            case "token":
                revoke_token(principal=principal, token_id=UUID(name), reason=_REASON)
                return "token"
            case "user":
                return _end_user(principal, UUID(name), offices)
            case "service_account":
                account_id = UUID(name)
                update_service_account(
                    principal=principal, account_id=account_id, changes={"is_active": False}, reason=_REASON
                )
                return "service_account"
    except NotFound:
        return "missing"
    return "nothing"


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
    now = database_now()
    able = {each.user_id for each in offices if not each.is_suspended and each.effective_at <= now}
    active = set(User.objects.filter(pk__in=able, is_active=True).values_list("pk", flat=True))
    return active == {user_id}
