"""Entries of others do not match for readers of their own. ``test_archived_exports`` compares all other conditions."""

import uuid

import pytest

from audit.browse.matching import Matcher
from audit.browse.selection import LogCriteria
from kernel.identities import Identity

USER, ACCOUNT = uuid.uuid4(), uuid.uuid4()
ENTRY = {"timestamp": "2026-01-01T00:00:00.000000Z", "action": "crypto.message.encrypted", "actor_name": "a"}
BY_USER = ENTRY | {"user_id": str(USER), "actor_id": None}
BY_ACCOUNT = ENTRY | {"user_id": None, "actor_id": str(ACCOUNT)}


@pytest.mark.parametrize(
    ("identity", "own", "others"),
    [
        (Identity.user(USER), BY_USER, BY_ACCOUNT),
        (Identity.service_account(ACCOUNT), BY_ACCOUNT, BY_USER),
        (Identity.user(ACCOUNT), BY_ACCOUNT | {"user_id": str(ACCOUNT)}, BY_ACCOUNT),
    ],
)
def test_only_their_own_entries_match(identity, own, others):
    matcher = Matcher(LogCriteria(), {}, identity)

    assert matcher.matches(own)
    assert not matcher.matches(others)


def test_the_system_has_no_entries_of_its_own():
    assert not Matcher(LogCriteria(), {}, Identity.SYSTEM).matches(
        ENTRY | {"user_id": None, "actor_id": None}
    )
