"""User operations that have their own page, as data: they differ in texts, form and service only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from django.http import HttpResponse, QueryDict

from accounts import actions
from accounts.models import UserState
from accounts.principals import Principal
from accounts.second_factors.services import totp
from accounts.users.forms import EmailForm, NamedUserForm, RoleForm, UserForm, UserReasonForm
from accounts.users.services import editing, invitations, password_resets
from accounts.users.services.listing import ListedUser
from accounts.users.services.one_time_links import IssuedLink
from kernel.pages.forms import PageForm
from kernel.pages.operations import Operation
from kernel.pages.views import PageView

SHOWN_ONCE: Final = "This link was already created. It is shown only once."


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOperation(Operation[ListedUser]):
    """One operation on a user.

    ``needs`` is a sentence about the users it applies to, and ``is_possible`` decides. ``removes_admin``: it is unavailable for
    the last active administrator. ``is_danger``: the page of the user shows it apart from the others.
    ``takes_away``: it only ends access. ``ends_sessions``: its page shows how many. ``is_for_others``: the caller's own page does not offer it.
    """

    permission: str = "users.manage"
    form: Callable[..., PageForm] = lambda data, listed, _: UserReasonForm(data, user=listed.user)
    needs: str = ""
    is_possible: Callable[[ListedUser], bool] = lambda _: True
    removes_admin: bool = False
    takes_away: bool = False
    ends_sessions: bool = False
    is_for_others: bool = False

    def refusal(self, found: ListedUser) -> str:
        if self.removes_admin and found.is_last_admin:
            return editing.LAST_ADMIN
        return "" if self.is_possible(found) else self.needs


def show_link(view: PageView[Principal], _: ListedUser | None, issued: IssuedLink) -> HttpResponse:
    """Only this response contains the link."""
    return view.page(template="accounts/user_link.html", issued=issued, account=issued.user)


def _show_reset(view: PageView[Principal], _: ListedUser, issued: IssuedLink) -> HttpResponse:
    """Only this response contains the link."""
    return view.page(template="accounts/user_reset_link.html", issued=issued, account=issued.user)


def _about(form: type[UserForm]) -> Callable[[QueryDict | None, ListedUser, Mapping[str, Any]], PageForm]:
    return lambda data, listed, _: form(data, user=listed.user)


USER_OPERATIONS: Final[Mapping[str, UserOperation]] = MappingProxyType(
    {
        operation.slug: operation
        for operation in (
            UserOperation(
                slug="invitation",
                label="Issue new invitation",
                question="Issue a new invitation for {}?",
                action=actions.INVITATION_ISSUED,
                perform=invitations.reissue_invitation,
                form=_about(UserForm),
                draft_fields=(),
                effect="You get a new link for this user. The previous link stops working.",
                respond=show_link,
                shown_once=SHOWN_ONCE,
                needs="Only active users without a password can get an invitation.",
                is_possible=lambda listed: listed.user.state == UserState.INVITED,
                needs_recent_sign_in=True,
                icon="refresh-cw",
            ),
            UserOperation(
                slug="email",
                label="Change e-mail address",
                question="Change the e-mail address of {}?",
                action=actions.USER_UPDATED,
                perform=editing.set_email,
                form=_about(EmailForm),
                draft_fields=("email",),
                effect="The address identifies the user. It gets a message when the password is reset, and no other notification. Leave the field empty to remove the address.",
                done="{} has a new e-mail address.",
                icon="pencil",
            ),
            UserOperation(
                slug="unlock",
                label="Unlock",
                question="Unlock {}?",
                action=actions.USER_UNLOCKED,
                perform=editing.unlock_user,
                form=_about(UserForm),
                draft_fields=(),
                effect="The failed sign-ins are cleared, and the user can try again immediately.",
                done="{} unlocked.",
                needs="This account is not locked.",
                is_possible=lambda listed: listed.locked_until is not None,
                icon="lock-open",
            ),
            UserOperation(
                slug="enable",
                label="Enable",
                question="Enable {}?",
                action=actions.USER_ENABLED,
                perform=editing.enable_user,
                form=_about(UserForm),
                draft_fields=(),
                effect="The user can sign in again.",
                done="{} enabled.",
                needs="Only disabled users can be enabled.",
                is_possible=lambda listed: listed.user.state == UserState.DISABLED,
                icon="circle-play",
            ),
            UserOperation(
                slug="sign-out",
                label="Sign out everywhere",
                question="Sign {} out everywhere?",
                action=actions.USER_SIGNED_OUT,
                perform=editing.sign_out_everywhere,
                effect="All browser and API sessions and all service tokens of the user end immediately. The user can sign in again.",
                done="{} signed out everywhere.",
                needs="An invited user has no sessions.",
                is_possible=lambda listed: listed.user.can_sign_in,
                takes_away=True,
                ends_sessions=True,
                icon="log-out",
            ),
            UserOperation(
                slug="role",
                label="Change role",
                question="Change the role of {}?",
                action=actions.USER_ROLE_CHANGED,
                perform=editing.set_role,
                form=_about(RoleForm),
                draft_fields=("role", "reason"),
                effect="All sessions, invitations and service tokens of the user end immediately.",
                done="{} has a new role.",
                removes_admin=True,
                needs_recent_sign_in=True,
                is_danger=True,
                ends_sessions=True,
                icon="users",
            ),
            UserOperation(
                slug="reset-password",
                label="Reset password",
                question="Reset the password of {}?",
                action=actions.PASSWORD_RESET_ISSUED,
                perform=password_resets.issue_password_reset,
                form=_about(NamedUserForm),
                effect=(
                    "All sessions and service tokens of the user end immediately. You get a link for the user to "
                    "choose another password. The old password works until the link is used. The second factor and the "
                    "passkeys do not change. If e-mail is on, the user and "
                    "all administrators get a message. First make sure that the request comes from this person."
                ),
                respond=_show_reset,
                shown_once=SHOWN_ONCE,
                needs="Only active users with a password can get a password reset.",
                is_possible=lambda listed: listed.user.is_active and listed.user.has_usable_password(),
                needs_recent_sign_in=True,
                is_danger=True,
                ends_sessions=True,
                is_for_others=True,
                icon="key-round",
            ),
            UserOperation(
                slug="reset-second-factor",
                label="Reset second factor",
                question="Reset the second factor of {}?",
                action=actions.TOTP_RESET,
                perform=totp.reset_totp,
                form=_about(NamedUserForm),
                effect=(
                    "The authenticator and the recovery codes of the user stop working. Until the user sets up a new "
                    "authenticator, the password alone is enough to sign in. First make sure that the request comes "
                    "from this person."
                ),
                done="The authenticator of {} was removed.",
                needs="This user has no authenticator.",
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
                perform=invitations.revoke_invitation,
                effect="The link stops working. The user stays, and you can issue a new invitation.",
                done="{} has no invitation now.",
                needs="This user has no open invitation.",
                is_possible=lambda listed: listed.invited_until is not None,
                is_danger=True,
                icon="ban",
            ),
            UserOperation(
                slug="disable",
                label="Disable",
                question="Disable {}?",
                action=actions.USER_DISABLED,
                perform=editing.disable_user,
                effect=(
                    "All sessions and invitations of the user end immediately, and their tokens stop working. The "
                    "user cannot sign in until you enable them again. Their keys do not change: "
                    "if they leave, transfer all keys to another owner."
                ),
                done="{} disabled.",
                needs="This user is already disabled.",
                is_possible=lambda listed: listed.user.is_active,
                removes_admin=True,
                is_danger=True,
                takes_away=True,
                ends_sessions=True,
                icon="circle-pause",
            ),
        )
    }
)
