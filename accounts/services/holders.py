"""Users and service accounts as holders of rights, to decide what another caller may do."""

from dataclasses import dataclass
from uuid import UUID

from accounts.authorization import TokenLimits
from accounts.models import ServiceAccount, User
from accounts.roles import ROLES
from kernel.errors import NotFound
from kernel.identities import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHolder:
    """An account with the rights of its role, without the limits of a token."""

    identity: Identity
    name: str
    role: str
    is_active: bool
    limits: TokenLimits | None = None

    @property
    def permissions(self) -> frozenset[str]:
        return ROLES[self.role]


def find_holder(holder_id: UUID) -> KnownHolder:
    """The user or service account with the id. Raises NotFound, IntegrityFailed."""
    user = User.objects.filter(pk=holder_id).first()
    if user is not None:
        user.check_mac()
        return KnownHolder(
            identity=Identity.user(user.id), name=user.username, role=user.role, is_active=user.is_active
        )
    account = ServiceAccount.objects.filter(pk=holder_id).first()
    if account is None:
        raise NotFound("There is no user or service account with this id.")
    account.check_mac()
    return KnownHolder(
        identity=account.identity, name=account.name, role=account.role, is_active=account.is_active
    )
