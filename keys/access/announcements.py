"""Notify of a grant on a tag: it covers many keys, also later ones."""

from typing import Final
from uuid import UUID

from accounts.holders import find_holder
from accounts.principals import Principal
from accounts.roles import word_of
from kernel.outbox.publishing import Announcement, publish
from kernel.outbox.topics import Severity, Topic
from keys.models import KeyGrant
from keys.models.grants import ROLE

TOPIC: Final = Topic(
    word="grant.tag_added",
    label="Grant on a tag",
    severity=Severity.WARNING,
    text=(
        "{by} allowed {holder} these operations with all keys that have the tag {name}, now or later: {operations}."
    ),
)


def announce_tag_grant(principal: Principal, grant: KeyGrant) -> None:
    facts = {
        "by": principal.actor.actor_name,
        "holder": _holder_of(grant),
        "operations": ", ".join(map(word_of, grant.operations)),
    }
    publish(
        Announcement(
            topic=TOPIC.word,
            dedup_key=f"{TOPIC.word}:{grant.id}",
            object_type="tag",
            object_id=grant.tag,
            object_name=grant.tag,
            facts=facts,
        )
    )


def _holder_of(grant: KeyGrant) -> str:
    if grant.principal_type == ROLE:
        return f"the role {grant.principal_id}"
    holder = find_holder(UUID(grant.principal_id))
    return f"the {grant.principal_type.replace('_', ' ')} {holder.name}"
