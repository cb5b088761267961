"""Find the canaries that an entry of the log is about."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from accounts.actions import (
    PASSWORD_CHANGED,
    PASSWORD_RESET_USED,
    TOTP_CONFIRMED,
    TOTP_REMOVED,
    USER_ROLE_CHANGED,
    USER_SIGNED_OUT,
    USER_UNLOCKED,
    USER_UPDATED,
)
from accounts.errors import OtpRequired
from audit.actions import REFUSALS_OVERFLOWED
from audit.log.events import ActorType, Outcome, Source
from audit.sequencing.token_uses import SERVICE_TOKEN
from canaries.documents import HOST_CREDENTIAL, UNAUTHENTICATED, Canary, CanarySet, Kind, Touch, watched
from canaries.sealed.sealing import open_counts
from crypto_ops.actions import MESSAGE_ENCRYPTED
from kernel.crypto.encoding import decode_canonical_base64
from kernel.crypto.errors import UnwrapFailed
from keys.actions import KEY_ACTIVATED, KEY_DESTROYED, KEY_EXPIRED, KEY_ROTATED, VERSION_DESTROYED

# Acts of the product itself, such as a scheduled rotation or quarantine, are no touches.
_OF_THE_PRODUCT: Final = frozenset({Source.SCHEDULER})
# Commands on the host do some of them, often from cron. ``restore_drill`` uses every key: (name of the command, action).
_OF_COMMANDS: Final = frozenset(
    {
        ("rotate_keys", KEY_ROTATED),
        ("expire_keys", KEY_ACTIVATED),
        ("expire_keys", KEY_EXPIRED),
        ("destroy_due_keys", KEY_DESTROYED),
        ("destroy_due_keys", VERSION_DESTROYED),
        ("restore_drill", MESSAGE_ENCRYPTED),
    }
)
# Of the account of an officer, by themselves or by quarantine.
_RENEWALS: Final = frozenset(
    {PASSWORD_CHANGED, TOTP_CONFIRMED, USER_ROLE_CHANGED, USER_SIGNED_OUT, USER_UPDATED}
)
_OF_KEYS: Final = frozenset({Kind.KEY, Kind.CIPHERTEXT})

# Of ``meta`` that someone altered: no JSON, no UTF-8, too deep.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class _Named(msgspec.Struct):
    """The members of ``meta`` that can name a canary."""

    refused_keys: tuple[str, ...] = ()
    target_key_id: str = ""
    key_id: str = ""


class _Counting(msgspec.Struct):
    """The member of ``meta`` of an entry that counts refusals of many kinds."""

    sealed: str = ""


_decode: Final = msgspec.json.Decoder(_Named).decode
_decode_counting: Final = msgspec.json.Decoder(_Counting).decode


class Row(NamedTuple):
    """The columns of a row of the log that can name a canary, spelled as in an entry; "" for NULL."""

    id: int
    entries: int | None
    action: str
    outcome: str
    source: str
    actor_type: str
    actor_name: str
    user_id: str
    actor_id: str
    token_id: str
    object_id: str
    meta: str
    code: str
    auth_method: str


class Matcher:
    """The canaries by everything that names them. One lookup for each column of a row."""

    def __init__(self, canaries: CanarySet) -> None:
        self.named: dict[str, list[Canary]] = defaultdict(list)
        for canary in watched(canaries):
            for name in _names_of(canary):
                self.named[name].append(canary)

    def touched(self, row: Row) -> list[Canary]:
        """The canaries that the row is about, each once."""
        # Without any canary, it costs the same.
        named = self.named
        found = {
            canary.id: canary
            for name in [*named_by(row), *counted_in(row)]
            for canary in named.get(name, ())
            if _is_touch(canary, row)
        }
        return list(found.values())


def _names_of(canary: Canary) -> Iterator[str]:
    yield str(canary.id)  # as counts have it
    yield canary.object_id
    if canary.kind in _OF_KEYS:
        yield f"name:{canary.name}"  # as a refused request spells it
    if canary.kind is Kind.USER:
        yield f"user:{canary.name}"


def counted_in(row: Row) -> Mapping[str, int]:
    """The touches of each canary, by its id, that an entry counts for many refusals (``canaries.watching.overflow``)."""
    if row.action != REFUSALS_OVERFLOWED:
        return {}
    try:
        return open_counts(decode_canonical_base64(_decode_counting(row.meta).sealed))
    except (*_UNREADABLE, UnwrapFailed):
        return {}  # altered, or by a process that could not seal it and has logged this


def named_by(row: Row) -> Iterator[str]:
    """Everything that the columns of the row name."""
    yield row.object_id
    yield row.token_id
    yield row.user_id
    yield row.actor_id
    if row.actor_type == ActorType.ANONYMOUS and row.actor_name:
        yield f"user:{row.actor_name}"  # a sign-in that failed
    if any(name in row.meta for name in _Named.__struct_fields__):
        yield from _ids_in(row.meta)


def _ids_in(meta: str) -> Iterable[str]:
    try:
        values = _decode(meta)
    except _UNREADABLE:
        return []  # altered: the verification of the log finds it
    return [*values.refused_keys, values.target_key_id, values.key_id]


def _is_touch(canary: Canary, row: Row) -> bool:
    if canary.kind is Kind.OFFICE:
        return _is_change_of_account(canary.object_id, row)
    is_routine = row.source in _OF_THE_PRODUCT or (row.actor_name, row.action) in _OF_COMMANDS
    return not (is_routine and row.actor_type == ActorType.SYSTEM)


def _is_change_of_account(user_id: str, row: Row) -> bool:
    """Whether role, state, password, factors or sessions of the account changed. Unlocking gives no access.

    Without their second factor, a password alone would open an officer's account. So its removal counts, too, and the
    use of a password reset, whose link another person created.
    """
    if row.object_id != user_id or row.outcome != Outcome.OK:
        return False
    if row.source in _OF_THE_PRODUCT:
        return row.action == USER_SIGNED_OUT  # by quarantine
    if row.user_id == user_id and row.auth_method != SERVICE_TOKEN:  # a token may be stolen
        return row.action in _RENEWALS or row.action in {TOTP_REMOVED, PASSWORD_RESET_USED}
    return row.action != USER_UNLOCKED


def is_renewal(canary: Canary, touch: Touch) -> bool:
    """Whether an officer changed their own account, or quarantine signed them out: they stay an officer."""
    is_own = touch.holder == canary.object_id and touch.auth_method != SERVICE_TOKEN
    is_expected = is_own or touch.source in _OF_THE_PRODUCT
    return canary.kind is Kind.OFFICE and is_expected and touch.action in _RENEWALS


def is_low(canary: Canary, row: Row) -> bool:
    """Whether the touch proves no stolen secret: a sign-in with a wrong password."""
    is_refused = row.actor_type == ActorType.ANONYMOUS and row.outcome != Outcome.OK
    return canary.kind is Kind.USER and is_refused and row.code != OtpRequired.code


def credential_of(canary: Canary, row: Row) -> str:
    """What the touches of one incident have in common: a service token, else the person or account, else the canary."""
    if row.auth_method == SERVICE_TOKEN and row.token_id:
        return f"token:{row.token_id}"
    if row.user_id:
        return f"user:{row.user_id}"
    if row.actor_id:
        return f"service_account:{row.actor_id}"
    return HOST_CREDENTIAL if row.source == Source.COMMAND else f"{UNAUTHENTICATED}{canary.id}"
