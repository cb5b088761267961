"""The acts of a credential, from the log, and its reach."""

from datetime import timedelta
from typing import Final, NamedTuple

from accounts.models import ServiceAccount, ServiceToken, User
from accounts.principals import Principal
from accounts.roles import word_of
from audit.browse.selection import LogCriteria
from audit.log.events import Source
from audit.models import AuditLog
from audit.models.logs import AuditLogQuerySet
from audit.services.reading import find_logs
from audit.services.showing import show_newest
from canaries.documents import Incident
from keys.models import Key, KeyGrant

_NEWEST: Final = 20
_PERIOD: Final = timedelta(hours=1)  # of an address, which no index finds
_READER: Final = Principal.system("log reader", Source.SCHEDULER)


def last_acts(incident: Incident) -> list[AuditLog]:
    """The newest entries of the credential. Without one, those of the address of the first touch in the hour before
    the last one; of the host and of a drill, none.
    """
    kind, _, value = incident.credential.partition(":")
    match kind:
        case "host" | "drill":
            return []
        case "token":
            found = _of_token(value)
        case "user" | "service_account":
            found = find_logs(reader=_READER, criteria=LogCriteria(actor=value))
        case _:
            until = incident.last_at + timedelta(seconds=1)
            criteria = LogCriteria(
                client_ip=incident.first.client_ip, since=incident.last_at - _PERIOD, until=until
            )
            found = find_logs(reader=_READER, criteria=criteria)
    return show_newest(found.order_by("-id"), _NEWEST)[0]


def _of_token(token_id: str) -> AuditLogQuerySet:
    holder = _holder_of(_token(token_id)) or token_id
    # The index is that of the holder.
    return find_logs(reader=_READER, criteria=LogCriteria(actor=holder)).filter(token_id=token_id)


class Reach(NamedTuple):
    """``holder``: of the credential. ``text``: their role, the keys they own, and their grants."""

    holder: User | ServiceAccount
    creator: str
    text: str


def reach_of(incident: Incident) -> Reach | None:
    """None without a credential."""
    kind, _, value = incident.credential.partition(":")
    token = _token(value) if kind == "token" else None
    holder_id = value if kind in ("user", "service_account") else _holder_of(token)
    holder = _holder(holder_id) if holder_id else None
    if holder is None:
        return None
    creator = holder.created_by if isinstance(holder, ServiceAccount) else None
    return Reach(holder, creator.name if creator else "", _reach_of(holder, token))


def _reach_of(holder: User | ServiceAccount, token: ServiceToken | None) -> str:
    if "keys.read" in holder.rights.on_all:
        keys = "and sees all keys"
    else:
        owned = Key.objects.owned_by(holder.identity).count()  # noqa: CC2 - a number only
        grants = KeyGrant.objects.filter(principal_id=str(holder.id)).count()
        keys = (
            f"owns {owned} key{'' if owned == 1 else 's'}, and has {grants} grant{'' if grants == 1 else 's'}"
        )
    scopes = f" The token is limited to {', '.join(map(word_of, sorted(token.scopes)))}." if token else ""
    return f"{holder.name} has the role {holder.role}, {keys}.{scopes}"


def _token(token_id: str) -> ServiceToken | None:
    return ServiceToken.objects.filter(pk=token_id).first()


def _holder_of(token: ServiceToken | None) -> str:
    return "" if token is None else str(token.user_id or token.service_account_id)


def _holder(holder_id: str) -> User | ServiceAccount | None:
    accounts = ServiceAccount.objects.select_related("created_by")
    return User.objects.filter(pk=holder_id).first() or accounts.filter(pk=holder_id).first()
