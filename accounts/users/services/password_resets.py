"""Password resets: an administrator creates a link, and a user who forgot their password chooses another one."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import actions, login_attempts
from accounts.errors import NotResettable, PasswordResetInvalid
from accounts.models import Invitation, User, UserState
from accounts.models.links import reset_digest
from accounts.origin import Origin
from accounts.passwords import require_acceptable
from accounts.principals import Principal, user_entity
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import reason_given, user_event
from accounts.users import link_codes
from accounts.users.services.one_time_links import IssuedLink, replace_link, user_of_link
from audit.log.events import Actor, Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.freshness.epoch import raise_epoch
from kernel.outbox.publishing import Announcement, publish
from kernel.outbox.topics import Severity, Topic
from kernel.trust.row_state import delete_rows

TOPIC: Final = Topic(
    word="user.password_reset",
    label="Password reset",
    severity=Severity.WARNING,
    text=(
        "{by} created a link that resets the password of {name} until {until}. All sessions and tokens of {name} have "
        "ended. If {name} did not request this, an administrator must disable the account."
    ),
    warns_users=True,
)

_OWN_PASSWORD = "Change your own password on the page Account, Password."  # nosec B105  # noqa: S105 - a text
_REFUSALS = {
    UserState.DISABLED: "This user is disabled. Enable the user first.",
    UserState.INVITED: "This user has not chosen a password yet. Issue a new invitation.",
}
_FEDERATED = "This user signs in through the identity provider and has no password here."


@transaction.atomic
def issue_password_reset(*, principal: Principal, user_id: UUID, reason: str = "") -> IssuedLink:
    """A link by which the user chooses another password. It ends their sessions and tokens, and replaces their last link.

    The old password works until then, and the second factor and the passkeys stay. Raises Denied, RecentAuthRequired,
    NotFound, NotResettable.
    """
    principal.require("users.manage")
    principal.require_recent_sign_in(database_now())
    if user_id == principal.user_id:  # a stolen session must not replace the password that it does not know
        raise NotResettable(_OWN_PASSWORD)
    user = User.objects.lock_managed(principal, user_id)
    if user.is_federated or user.state in _REFUSALS:
        raise NotResettable(_FEDERATED if user.is_federated else _REFUSALS[user.state])
    user.subject_version += 1
    user.save_with_mac(update_fields=["subject_version"])
    code = link_codes.new_code()
    expires_at = replace_link(user, reset_digest(code), link_codes.PASSWORD_RESET_LIFE)
    _record(user, principal.actor, expires_at, reason)
    raise_epoch(user_entity(user.id))
    confirm_rights(principal)
    return IssuedLink(user, link_codes.password_reset_url(code), expires_at)


def check_password_reset(*, code: str) -> User:
    """The user of the link. Raises PasswordResetInvalid, IntegrityFailed."""
    user = user_of_link(reset_digest(code))
    if user is None or not user.has_usable_password():
        raise PasswordResetInvalid
    return user


def use_password_reset(*, code: str, password: str, origin: Origin) -> None:
    """Replace the password, and end the link and all sessions. It opens no session: the user signs in with all factors.

    Call it outside any transaction. Raises PasswordResetInvalid, Invalid, IntegrityFailed. Of two concurrent uses, one
    succeeds.
    """
    seen = check_password_reset(code=code)
    require_acceptable(password, seen)
    encoded = make_password(password)
    with transaction.atomic():
        # Every change of the user and of their link takes this lock first. Check the link again under it.
        User.objects.lock(seen.pk)
        user = check_password_reset(code=code)
        user.password = encoded
        user.subject_version += 1
        user.save_with_mac(update_fields=["password", "subject_version"])
        delete_rows(Invitation.objects.filter(user=user))
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        actor = origin.user(user.id, user.username, auth_method="password_reset")
        record(user_event(actions.PASSWORD_RESET_USED, user.id), actor)
        raise_epoch(user_entity(user.id))


def _record(user: User, actor: Actor, expires_at: datetime, reason: str) -> None:
    """An entry of the log, and a notification: such a link could take the account over."""
    event = Event(
        action=actions.PASSWORD_RESET_ISSUED,
        object_type="user",
        object_id=str(user.id),
        meta={"expires_at": expires_at, **reason_given(reason)},
    )
    recorded, topic = record(event, actor), TOPIC.word
    publish(
        Announcement(
            topic=topic,
            dedup_key=f"{topic}:{recorded.event_id}",
            object_type="user",
            object_id=str(user.id),
            object_name=user.username,
            facts={"by": actor.actor_name, "until": f"{expires_at:%Y-%m-%d %H:%MZ}"},
        )
    )
