"""The rights that the campaign takes away. Import this module after ``django.setup()``."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from uuid import UUID

from accounts.models import ServiceAccount, ServiceToken, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.service_accounts.services.accounts import update_service_account
from accounts.service_accounts.services.tokens import revoke_token, rotate_token
from accounts.sessions.services.sessions import open_session, sign_out
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.users.services.creation import create_user
from accounts.users.services.editing import disable_user, enable_user, set_role
from audit.log.events import Source
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import EncryptRequest
from kernel.clock import database_now
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from keys.access.services import remove_grant
from keys.deletion.services import schedule_deletion, schedule_version_destruction
from keys.editing.services import update_key
from keys.models import Key, KeyGrant
from keys.policies.services.changing import update_policy
from keys.rotation.services.rotating import rotate_key
from keys.states.services import disable_key, disable_version
from tests.factories import GrantFactory, KeyFactory, PolicyFactory, ServiceAccountFactory, TokenFactory

LIFETIME = timedelta(seconds=0.5)  # of a key, a token or a grant that ends by itself
DAY = timedelta(days=1)
SYSTEM = Principal.system("campaign", Source.COMMAND)
ORIGIN = Origin(client_ip="192.0.2.1", user_agent="", request_id="", source=Source.API)
_numbers = count(1)


@dataclass(frozen=True)
class Caller:
    """The holder of a right to encrypt with ``key`` in ``mode``, or to decrypt ``ciphertext`` if it is set.

    The other fields identify what can be taken away.
    """

    token: str
    key: Key
    mode: str = "aes-256-gcm"
    ciphertext: str = ""
    user_id: UUID | None = None
    refresh_token: str = ""
    account_id: UUID | None = None
    token_id: UUID | None = None
    grant_id: UUID | None = None
    policy_id: UUID | None = None

    @property
    def token_expires_at(self) -> datetime:
        return ServiceToken.objects.get(pk=self.token_id).expires_at

    @property
    def grant_expires_at(self) -> datetime:
        return self.key.grants.get(pk=self.grant_id).expires_at


@dataclass(frozen=True)
class Kind:
    """A way in which a right ends: by a change, or at a time, or at a time that a change sets."""

    prepare: Callable[[], Caller]
    change: Callable[[Caller], object] | None = None
    ends_at: Callable[[Caller], datetime] | None = None

    def take_away(self, caller: Caller) -> datetime:
        """End the right. Return the moment from which it must not be used."""
        if self.change is not None:
            self.change(caller)
        acknowledged = database_now()
        if self.ends_at is None:
            return acknowledged
        at = self.ends_at(caller)
        while database_now() < at:
            time.sleep(0.01)
        # On a busy machine, a change may be acknowledged after the time that it sets.
        return at if self.change is None else max(at, acknowledged)


def session(key_lifetime: timedelta | None = None) -> Caller:
    """A signed-in developer with a key of their own."""
    user = _developer()
    pair = open_session(user, "password", ORIGIN)
    key = _new_key(authenticate_bearer(pair.access_token, ORIGIN), key_lifetime)
    return Caller(pair.access_token, key, user_id=user.id, refresh_token=pair.refresh_token)


def under_policy() -> Caller:
    """A session, and a key under a policy, which encrypts in a mode that the policy can exclude."""
    caller = session()
    return replace(_put_under_policy(caller), mode="aes-256-gcm-siv")


def replaced_version(*, has_policy: bool = False) -> Caller:
    """A session, and a ciphertext of an earlier version of the key."""
    caller = session()
    request = EncryptRequest(mode=SEALING_MODES[caller.mode], plaintext=b"canary", key_id=caller.key.id)
    ciphertext = envelope.encode(perform_measured(request, SYSTEM))
    rotate_key(principal=SYSTEM, key_id=caller.key.id, reason="campaign")
    return replace(_put_under_policy(caller) if has_policy else caller, ciphertext=ciphertext)


def _put_under_policy(caller: Caller) -> Caller:
    policy = PolicyFactory(name=caller.key.name)
    update_key(principal=SYSTEM, key_id=caller.key.id, changes={"policy_id": policy.id})
    return replace(caller, policy_id=policy.id)


def own_token() -> Caller:
    """A developer's service token, and a key of their own."""
    user = _developer()
    developer = authenticate_bearer(open_session(user, "password", ORIGIN).access_token, ORIGIN)
    created = TokenFactory(principal=developer)
    return Caller(created.text, _new_key(developer), user_id=user.id, token_id=created.token.id)


def granted_key(token_lifetime: timedelta = DAY, grant_lifetime: timedelta | None = None) -> Caller:
    """A service account with a token, and a grant on a key."""
    account, key = ServiceAccountFactory(), _new_key(SYSTEM)
    grant = GrantFactory(key=key, to=account, expires_at=_end(grant_lifetime))
    return _holder(account, key, grant, token_lifetime)


def granted_tag() -> Caller:
    """A service account with a token, and a grant on the tag of a key."""
    account, key = ServiceAccountFactory(), _new_key(SYSTEM)
    return _holder(account, key, GrantFactory(tag=key.name, to=account))


def _developer() -> User:
    """One user for all rounds, because hashing a password takes long."""
    user = User.objects.filter(username="dora").first()
    if user is None:
        return create_user(
            principal=SYSTEM, username="dora", password="correct horse battery", role="developer"
        )
    set_role(principal=SYSTEM, user_id=user.id, role="developer")
    return enable_user(principal=SYSTEM, user_id=user.id)


def _holder(account: ServiceAccount, key: Key, grant: KeyGrant, token_lifetime: timedelta = DAY) -> Caller:
    created = TokenFactory(account_id=account.id, expires_at=_end(token_lifetime))
    return Caller(created.text, key, account_id=account.id, token_id=created.token.id, grant_id=grant.id)


def _end(lifetime: timedelta | None) -> datetime | None:
    return None if lifetime is None else database_now() + lifetime


def _new_key(principal: Principal, lifetime: timedelta | None = None) -> Key:
    """A key with its name as a tag."""
    name = f"contested-{next(_numbers)}"
    return KeyFactory(principal=principal, name=name, tags=[name], expires_at=_end(lifetime))


def _change_account(caller: Caller, **changes: object) -> None:
    update_service_account(principal=SYSTEM, account_id=caller.account_id, changes=changes)


def _change_policy(caller: Caller, **changes: object) -> None:
    update_policy(principal=SYSTEM, policy_id=caller.policy_id, changes=changes)


def _confirmed(caller: Caller) -> dict[str, object]:
    return {
        "principal": SYSTEM,
        "key_id": caller.key.id,
        "reason": "campaign",
        "confirm_name": caller.key.name,
    }


def _rotate_token(caller: Caller, overlap: timedelta) -> None:
    rotate_token(principal=SYSTEM, token_id=caller.token_id, overlap=overlap)


KINDS = {
    "remove grant on key": Kind(
        granted_key,
        lambda it: remove_grant(principal=SYSTEM, grant_id=it.grant_id, key_id=it.key.id),
    ),
    "remove grant on tag": Kind(granted_tag, lambda it: remove_grant(principal=SYSTEM, grant_id=it.grant_id)),
    "remove tag": Kind(
        granted_tag, lambda it: update_key(principal=SYSTEM, key_id=it.key.id, changes={"tags": []})
    ),
    "grant expires": Kind(
        partial(granted_key, grant_lifetime=LIFETIME), ends_at=lambda it: it.grant_expires_at
    ),
    "revoke token": Kind(granted_key, lambda it: revoke_token(principal=SYSTEM, token_id=it.token_id)),
    "rotate token": Kind(granted_key, partial(_rotate_token, overlap=timedelta())),
    "rotate with overlap": Kind(
        granted_key, partial(_rotate_token, overlap=LIFETIME), lambda it: it.token_expires_at
    ),
    "token expires": Kind(
        partial(granted_key, token_lifetime=LIFETIME), ends_at=lambda it: it.token_expires_at
    ),
    "disable account": Kind(granted_key, partial(_change_account, is_active=False)),
    "change account's role": Kind(granted_key, partial(_change_account, role="auditor")),
    "disable user": Kind(session, lambda it: disable_user(principal=SYSTEM, user_id=it.user_id)),
    "disable token's user": Kind(own_token, lambda it: disable_user(principal=SYSTEM, user_id=it.user_id)),
    "change role": Kind(session, lambda it: set_role(principal=SYSTEM, user_id=it.user_id, role="operator")),
    "sign out": Kind(session, lambda it: sign_out(refresh_token=it.refresh_token, origin=ORIGIN)),
    "disable key": Kind(
        session, lambda it: disable_key(principal=SYSTEM, key_id=it.key.id, reason="campaign")
    ),
    "key expires": Kind(partial(session, key_lifetime=LIFETIME), ends_at=lambda it: it.key.expires_at),
    "schedule deletion": Kind(session, lambda it: schedule_deletion(**_confirmed(it))),
    "exclude mode": Kind(under_policy, partial(_change_policy, allowed_modes=["aes-256-gcm"])),
    "end grace period": Kind(
        partial(replaced_version, has_policy=True), partial(_change_policy, rotation_policy={"grace_days": 0})
    ),
    "raise minimum version": Kind(
        replaced_version,
        lambda it: update_key(principal=SYSTEM, key_id=it.key.id, changes={"min_decryption_version": 2}),
    ),
    "disable version": Kind(
        replaced_version,
        lambda it: disable_version(principal=SYSTEM, key_id=it.key.id, version=1, reason="campaign"),
    ),
    "schedule destruction": Kind(
        replaced_version, lambda it: schedule_version_destruction(**_confirmed(it), version=1)
    ),
}
