"""The rules about one key, as its Access page shows them: a row for each, and the deciding rule in words."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.authorization import Verdict, role_holder
from accounts.holders import KnownHolder
from accounts.roles import KEY_USE, Rights, permission_of
from kernel.identities import Identity, IdentityType, parse_uuid
from keys.explanations import OPERATION_LABELS
from keys.lifecycle import operations_of
from keys.models import Key, KeyGrant


@dataclass(frozen=True, slots=True, kw_only=True)
class _RuleHolder:
    """The holder of a rule. ``problem`` is the reason why no rule gives them anything; "" if there is none."""

    name: str
    rights: Rights
    kind: str = ""
    identity: Identity = Identity.SYSTEM
    problem: str = ""

    @property
    def page(self) -> str:
        """The URL name of the holder's page, which takes their id; "" for a role."""
        pages = {IdentityType.USER: "user", IdentityType.SERVICE_ACCOUNT: "service-account-page"}
        return pages.get(self.identity.type, "")


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One rule. ``cells`` has the label of each operation of the key, and whether the rule allows it now."""

    holder: _RuleHolder
    source: str
    cells: Sequence[tuple[str, bool]]
    problem: str
    grant: KeyGrant | None = None
    is_expired: bool = False


def holder_ids(grants: Iterable[KeyGrant], key: Key | None = None) -> set[UUID]:
    """The ids of the holders of the grants, and of the owner of the key."""
    ids = {parse_uuid(grant.principal_id) for grant in grants} | {key.owner.id if key else None}
    return {each for each in ids if each is not None}


def access_rows(
    key: Key,
    grants: Iterable[KeyGrant],
    known: Iterable[KnownHolder],
    roles: Sequence[Rights],
    now: datetime,
) -> list[AccessRow]:
    """The roles that may use all keys, the owner, and the holders of the grants.

    ``known`` includes those of ``holder_ids``. ``roles``: the rights of all roles.
    """
    holders = _holders(known, roles)
    words = operations_of(key.algorithm, key.purpose)
    rows = [
        _row(
            _everyone(rights), "Role", [word for word in words if permission_of(word) in rights.on_all], words
        )
        for rights in roles
        if rights.on_all & KEY_USE
    ]
    if owner := holders.get(key.owner.entity):
        rows.append(_row(owner, "Owner", words, words))
    return rows + [_grant_row(grant, holders, words, now) for grant in grants]


def grant_rows(
    grants: Iterable[KeyGrant], known: Iterable[KnownHolder], roles: Sequence[Rights], now: datetime
) -> list[AccessRow]:
    """Grants on any keys and tags, without cells. ``known`` includes the users and service accounts that hold them."""
    holders = _holders(known, roles)
    return [_grant_row(grant, holders, (), now) for grant in grants]


def describe_rule(verdict: Verdict, holder: KnownHolder, operation: str, rows: Iterable[AccessRow]) -> str:
    """The rule that decided, as a sentence. ``rows`` are those of the key."""
    kind, _, value = verdict.rule.partition(":")
    verb = _verb(operation)
    if kind == "grant":
        granted = next((row for row in rows if row.grant and str(row.grant.id) == value), None)
        if granted is None:
            return "A grant allows it."
        # Names of users and service accounts are in lower case, so this changes only the name of a role.
        return f"A {_within(granted.source)} to {_within(granted.holder.name)} allows it."
    if kind == "role" and verdict.is_allowed:
        return f"The role {value} may {verb} with every key."
    return {
        "role": f"The role {value} does not have the permission to {verb}.",
        "owner": f"{holder.name} owns this key.",
        "no-grant": f"{holder.name} does not own this key, and has no grant to {verb} with it now.",
        "state": f"No one can {verb} with this key in its current state.",
        "disabled": f"{holder.name} is disabled.",
        "second_factor_required": f"{holder.name} must set up a second factor first.",
    }.get(kind, "")


def _verb(word: str) -> str:
    return _within(OPERATION_LABELS.get(word, word))  # an altered grant may have any word


def _within(label: str) -> str:
    """The label inside a sentence: ``compute MAC``."""
    return label[:1].lower() + label[1:]


def _holder(known: KnownHolder) -> _RuleHolder:
    is_account = known.identity.type is IdentityType.SERVICE_ACCOUNT
    return _RuleHolder(
        name=known.name,
        rights=known.rights,
        kind=f"Service account, {known.role}" if is_account else known.get_role_display(),
        identity=known.identity,
        problem=_problem(known),
    )


def _problem(known: KnownHolder) -> str:
    if not known.is_active:
        return "Disabled: no rule applies."
    return "The user must set up a second factor before any rule applies." if known.must_enrol else ""


def _holders(known: Iterable[KnownHolder], roles: Iterable[Rights]) -> dict[str, _RuleHolder]:
    """By the ``holder`` of a grant."""
    everyone = {role_holder(rights.role): _everyone(rights) for rights in roles}
    return everyone | {each.identity.entity: _holder(each) for each in known}


def _everyone(rights: Rights) -> _RuleHolder:
    return _RuleHolder(name=f"Everyone with the role {rights.role}", rights=rights)


def _grant_row(
    grant: KeyGrant, holders: Mapping[str, _RuleHolder], columns: Iterable[str], now: datetime
) -> AccessRow:
    unknown = _RuleHolder(name=grant.principal_id, rights=Rights(""), problem="This holder no longer exists.")
    holder = holders.get(grant.holder, unknown)
    source = f"Grant on the tag {grant.tag}" if grant.tag else "Grant on this key"
    is_expired = grant.expires_at is not None and grant.expires_at <= now
    return _row(holder, source, grant.operation_words, columns, grant, is_expired=is_expired)


def _row(
    holder: _RuleHolder,
    source: str,
    words: Collection[str],
    columns: Iterable[str],
    grant: KeyGrant | None = None,
    *,
    is_expired: bool = False,
) -> AccessRow:
    blocked = holder.problem
    if grant is not None and not grant.is_authentic:
        blocked = "This grant was altered outside the application."
    able = {word for word in words if permission_of(word) in holder.rights.permissions}
    missing = " or ".join(_verb(word) for word in words if word not in able)
    lacks = f"The role {holder.rights.role} cannot {missing}." if missing else ""
    applies = not blocked and not is_expired
    cells = [(OPERATION_LABELS[word], applies and word in able) for word in columns]
    return AccessRow(holder, source, cells, blocked or lacks, grant, is_expired)
