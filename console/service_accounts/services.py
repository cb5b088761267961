"""Connect an application: a service account, its grants and a token, all or nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.models import ServiceAccount
from accounts.principals import Principal
from accounts.roles import DEVELOPER, permission_of
from accounts.service_accounts.services.accounts import create_service_account
from accounts.service_accounts.services.tokens import CreatedToken, TokenRequest, create_token
from kernel.clock import database_now
from kernel.errors import Invalid
from kernel.freshness.epoch import raise_epoch
from kernel.identities import IdentityType
from keys.access.services import GrantRequest, grant_key, grant_tag
from keys.changing import MANAGE
from keys.entities import key_entity, tag_entity
from keys.lifecycle import operations_of
from keys.metadata import check_tags
from keys.models import Key
from keys.reading.services import keys_named

_ROLE: Final = DEVELOPER  # the built-in role with the fewest permissions that may use keys
_MAX_GRANTS: Final = 20  # because all operations wait while a transaction changes grants


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRequest:
    """A new application. It may use the named keys, and each key that has one of the tags, now or later.

    ``expires_at`` is the end of its token. ``reason`` is recorded with each grant.
    """

    name: str
    operations: Collection[str]
    expires_at: datetime
    keys: Sequence[str] = ()
    tags: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConnectedApplication:
    account: ServiceAccount
    created: CreatedToken
    keys: Sequence[Key]
    tags: Sequence[str]


@transaction.atomic
def connect_application(*, principal: Principal, request: ApplicationRequest) -> ConnectedApplication:
    """Create a service account, its grants and a token, whose text is returned only here.

    Each has its own entry in the log. Without tags, the token is limited to the keys, so grants to all developers do not
    extend it. Raises Denied, RecentAuthRequired, Invalid, NameTaken.
    """
    principal.require("users.manage")
    principal.require(MANAGE)
    principal.require_recent_sign_in(database_now())
    check_tags(request.tags)
    keys = keys_named(principal=principal, names=request.keys)
    granted = _operations_by_key(keys, request)
    # Take the exclusive lock of the epoch before create_service_account takes the shared one. If two transactions held
    # the shared lock, neither could get the exclusive one for its grants.
    raise_epoch(*[key_entity(key.id) for key in keys], *map(tag_entity, request.tags))
    account = create_service_account(principal=principal, name=request.name, role=_ROLE).account
    for key, operations in granted:
        grant_key(principal=principal, key_id=key.id, request=_grant(account, operations, request))
    for tag in request.tags:
        grant_tag(principal=principal, tag=tag, request=_grant(account, request.operations, request))
    token = TokenRequest(
        name=request.name,
        scopes=[permission_of(word) for word in request.operations],
        expires_at=request.expires_at,
        key_ids=None if request.tags else [key.id for key in keys],
        account_id=account.id,
    )
    created = create_token(principal=principal, request=token)
    return ConnectedApplication(account, created, keys, request.tags)


def _operations_by_key(keys: Sequence[Key], request: ApplicationRequest) -> list[tuple[Key, list[str]]]:
    """The operations to grant on each key. Raises Invalid for a key or an operation without a use."""
    count = len(keys) + len(request.tags)
    if not 0 < count <= _MAX_GRANTS:
        advice = (
            f"Choose at most {_MAX_GRANTS} keys and tags." if count else "Choose at least one key or tag."
        )
        raise Invalid.of_field("keys", advice)
    granted = []
    for key in keys:
        possible = operations_of(key.algorithm, key.purpose)
        chosen = [word for word in request.operations if word in possible]
        if not chosen:
            words = ", ".join(possible)
            raise Invalid.of_field("operations", f"Choose an operation of the key {key.name}: {words}.")
        granted.append((key, chosen))
    used = {word for _, chosen in granted for word in chosen}
    unused = [word for word in request.operations if word not in used]
    if unused and not request.tags:
        raise Invalid.of_field("operations", f"None of the chosen keys supports {unused[0]}.")
    return granted


def _grant(account: ServiceAccount, operations: Collection[str], request: ApplicationRequest) -> GrantRequest:
    return GrantRequest(
        principal_type=IdentityType.SERVICE_ACCOUNT.value,
        principal_id=str(account.id),
        operations=operations,
        reason=request.reason,
    )
