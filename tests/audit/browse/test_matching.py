"""Entries of others do not match for readers of their own. ``test_archived_exports`` compares all other conditions."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from audit.browse.matching import Matcher
from audit.browse.selection import SEARCHED, LogCriteria
from audit.services.segments import archived_until
from kernel.identities import Identity

USER, ACCOUNT = uuid.uuid4(), uuid.uuid4()
NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)
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


@pytest.mark.parametrize("word", ["οδοσ", "ΟΔΟΣ", "οδος", "Οδος"])
def test_letters_match_in_either_case_as_databases_compare_them(word):
    texts = dict.fromkeys(SEARCHED, "") | {"user_agent": "ΟΔΟΣ"}
    assert Matcher(LogCriteria(search=word), {}).matches(BY_USER | texts)


def test_the_system_has_no_entries_of_its_own():
    assert not Matcher(LogCriteria(), {}, Identity.SYSTEM).matches(
        ENTRY | {"user_id": None, "actor_id": None}
    )


@pytest.mark.parametrize(
    ("criteria", "newest", "expected"),
    [
        ({}, NEWEST, NEWEST),
        ({"since": NEWEST}, None, None),
        ({"since": NEWEST}, NEWEST, NEWEST),
        ({"since": NEWEST + timedelta(microseconds=1)}, NEWEST, None),
        ({"outcome": "ok", "action": "crypto.message.encrypted"}, NEWEST, NEWEST),
        ({"outcome": "denied"}, NEWEST, None),
        ({"action": "keys.key.created"}, NEWEST, None),
        ({"action": "encrypt"}, NEWEST, NEWEST),
        ({"action": "create"}, NEWEST, None),
    ],
)
def test_filters_reach_into_the_archive_if_they_match_old_operations(criteria, newest, expected):
    assert archived_until(LogCriteria(**criteria), newest) == expected
