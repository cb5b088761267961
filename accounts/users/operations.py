"""User operations that have their own page, as data: they differ in texts, form and service only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from accounts import actions
from accounts.models import UserState
from accounts.second_factors.services import totp
from accounts.users.forms import EmailForm, NamedUserForm, RoleForm, UserForm, UserReasonForm
from accounts.users.services import editing, invitations
from accounts.users.services.listing import ListedUser


@dataclass(frozen=True, slots=True)
class UserOperation:
    """One operation on a user. ``effect`` describes the result.

    ``needs`` describes the users it applies to, and ``is_possible`` decides. ``removes_admin``: it is unavailable for
    the last active administrator. ``needs_recent_sign_in``: its service requires one, so its page does, too.
    ``is_danger``: the page of the user shows it apart from the others. ``ends_sessions``: its page shows how many.
    """

    slug: str
    label: str
    question: str
    action: str
    service: Callable[..., object]
    effect: str
    done: str
    icon: str
    form: type[UserForm] = UserReasonForm
    needs: str = ""
    is_possible: Callable[[ListedUser], bool] = lambda _: True
    removes_admin: bool = False
    needs_recent_sign_in: bool = False
    is_danger: bool = False
    ends_sessions: bool = False

    @property
    def url_name(self) -> str:
        return f"user-{self.slug}"

    def question_about(self, name: str) -> str:
        return self.question.format(name)

    def refusal(self, listed: ListedUser, *, is_last_admin: bool) -> str:
        """Why the operation is not available for this user; "" if it is available."""
        if self.removes_admin and is_last_admin:
            return f"{self.label} is unavailable. {editing.LAST_ADMIN}"
        return "" if self.is_possible(listed) else f"{self.label} is unavailable: {self.needs}."


USER_OPERATIONS: Final[Mapping[str, UserOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            UserOperation(
                slug="invitation",
                label="Issue new invitation",
                question="Issue a new invitation for {}?",
                action=actions.INVITATION_ISSUED,
                service=invitations.reissue_invitation,
                form=UserForm,
                effect="You get a new link for this user. The previous link stops working.",
                done="got a new invitation",
                needs="only active users without a password can get an invitation",
                is_possible=lambda listed: listed.user.state == UserState.INVITED,
                needs_recent_sign_in=True,
                icon="refresh-cw",
            ),
            UserOperation(
                slug="email",
                label="Change email address",
                question="Change the email address of {}?",
                action=actions.USER_UPDATED,
                service=editing.set_email,
                form=EmailForm,
                effect="CipherCanary sends no email. The address identifies the person. Leave it empty to remove it.",
                done="has a new email address",
                icon="pencil",
            ),
            UserOperation(
                slug="unlock",
                label="Unlock",
                question="Unlock {}?",
                action=actions.USER_UNLOCKED,
                service=editing.unlock_user,
                form=UserForm,
                effect="The failed sign-ins are cleared, and the user can try again immediately.",
                done="unlocked",
                needs="this account is not locked",
                is_possible=lambda listed: listed.locked_until is not None,
                icon="lock-open",
            ),
            UserOperation(
                slug="enable",
                label="Enable",
                question="Enable {}?",
                action=actions.USER_ENABLED,
                service=editing.enable_user,
                form=UserForm,
                effect="The user can sign in again.",
                done="enabled",
                needs="only disabled users can be enabled",
                is_possible=lambda listed: listed.user.state == UserState.DISABLED,
                icon="circle-play",
            ),
            UserOperation(
                slug="sign-out",
                label="Sign out everywhere",
                question="Sign {} out everywhere?",
                action=actions.USER_SIGNED_OUT,
                service=editing.sign_out_everywhere,
                effect="All browser and API sessions and all service tokens of the user end immediately. The user can sign in again.",
                done="signed out everywhere",
                needs="an invited user has no sessions",
                is_possible=lambda listed: listed.user.can_sign_in,
                ends_sessions=True,
                icon="log-out",
            ),
            UserOperation(
                slug="role",
                label="Change role",
                question="Change the role of {}?",
                action=actions.USER_ROLE_CHANGED,
                service=editing.set_role,
                form=RoleForm,
                effect="All sessions, invitations and service tokens of the user end immediately.",
                done="has a new role",
                removes_admin=True,
                needs_recent_sign_in=True,
                is_danger=True,
                ends_sessions=True,
                icon="users",
            ),
            UserOperation(
                slug="reset-second-factor",
                label="Reset second factor",
                question="Reset the second factor of {}?",
                action=actions.TOTP_RESET,
                service=totp.reset_totp,
                form=NamedUserForm,
                effect=(
                    "The authenticator and the recovery codes of the user stop working. Until the user sets up a new "
                    "authenticator, the password alone is enough to sign in. First make sure that the request comes "
                    "from this person."
                ),
                done="has no second factor now",
                needs="this user has no authenticator",
                is_possible=lambda listed: "totp" in listed.second_factors,
                needs_recent_sign_in=True,
                is_danger=True,
                icon="shield-alert",
            ),
            UserOperation(
                slug="revoke-invitation",
                label="Revoke invitation",
                question="Revoke the invitation of {}?",
                action=actions.INVITATION_REVOKED,
                service=invitations.revoke_invitation,
                effect="The link stops working. The user stays, and you can issue a new invitation.",
                done="has no invitation now",
                needs="this user has no open invitation",
                is_possible=lambda listed: listed.invited_until is not None,
                is_danger=True,
                icon="ban",
            ),
            UserOperation(
                slug="disable",
                label="Disable",
                question="Disable {}?",
                action=actions.USER_DISABLED,
                service=editing.disable_user,
                effect=(
                    "All sessions and invitations of the user end immediately, and their tokens stop working. The "
                    "user cannot sign in until you enable them again. Keys of the user stay as they are."
                ),
                done="disabled",
                needs="this user is already disabled",
                is_possible=lambda listed: listed.user.is_active,
                removes_admin=True,
                is_danger=True,
                ends_sessions=True,
                icon="circle-pause",
            ),
        )
    }
)
