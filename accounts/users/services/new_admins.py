"""Notify all who manage users of a new one: an attacker with the session of one could make an account of their own."""

from typing import Final

from accounts.models import User
from accounts.principals import Principal
from accounts.roles import MANAGES_USERS
from kernel.outbox.publishing import Announcement, publish
from kernel.outbox.topics import Severity, Topic

TOPIC: Final = Topic(
    word="user.admin_added",
    label="New administrator",
    severity=Severity.WARNING,
    text="{by} gave {name} the role {role}, which manages users. If nobody planned this, another administrator must disable the account.",
    warns_users=True,
)


def announce_admin(user: User, principal: Principal) -> None:
    """Publish it if the saved user manages users. They are new or enabled, or have another role."""
    if MANAGES_USERS not in user.rights.permissions:
        return
    publish(
        Announcement(
            topic=TOPIC.word,
            dedup_key=f"{TOPIC.word}:{user.id}:{user.subject_version}",
            object_type="user",
            object_id=str(user.id),
            object_name=user.username,
            facts={"by": principal.actor.actor_name, "role": user.role},
        )
    )
