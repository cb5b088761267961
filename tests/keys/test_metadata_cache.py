"""Metadata of keys in the cache: the saved queries, forged entries, and revoked rights."""

import json
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import connection

from accounts.users.services.editing import set_role
from kernel.cache import OptionalRedisCache
from kernel.clock import database_now
from keys.models import Key
from keys.reading import services
from keys.ring import metadata_cache
from tests.clocks import travel

pytestmark = pytest.mark.django_db

REASON = {"reason": "test"}


@pytest.fixture
def places(monkeypatch):
    """The cache keys under which entries were stored, in order."""
    found = []
    cache = type(caches["metadata"])
    put = cache.set

    def set_and_tell(self, place, *args, **kwargs):
        found.append(place)
        return put(self, place, *args, **kwargs)

    monkeypatch.setattr(cache, "set", set_and_tell)
    return found


@pytest.fixture
def key(new_key, developer):
    """The developer's own key, with a value in every column."""
    return new_key(
        principal=developer.principal,
        description="für \N{KEY}",
        tags=["pci", "für"],
        rotation_period_days=90,
        expires_at=database_now() + timedelta(minutes=10),
    )


def path(key):
    return f"/api/v1/keys/{key.id}"


def test_a_cached_response_equals_that_of_the_database(admin, key, settings):
    first, second = (admin.api.get(path(key)) for _ in range(2))
    settings.CC_METADATA_CACHE_SECONDS = 0
    assert first.json == second.json == admin.api.get(path(key)).json


def test_an_entry_holds_neither_mac_nor_material(admin, key, places):
    admin.api.get(path(key))
    entry = caches["metadata"].get(places[0])
    assert not set(metadata_cache.NAMES) & {"row_mac", "wrapped"}
    assert Key.objects.get(pk=key.pk).row_mac not in entry


def test_a_cached_response_costs_no_query_of_the_key(admin, key, connection_queries):
    admin.api.get(path(key))
    with connection_queries() as statements:
        admin.api.get(path(key))
    assert not [each for each in statements if "encryption_keys" in each["sql"]]


@pytest.mark.parametrize(
    ("change", "body", "member", "after"),
    [
        ("disable", REASON, "status", "disabled"),
        ("revoke", REASON, "status", "revoked"),
        ("rotate", REASON, "primary_version", 2),
    ],
)
def test_a_change_shows_at_once(admin, key, change, body, member, after):
    admin.api.get(path(key))
    assert admin.api.post(f"{path(key)}/{change}", body).status < 300
    assert admin.api.get(path(key)).json[member] == after


def test_an_edited_description_shows_at_once(admin, key):
    admin.api.get(path(key))
    admin.api.patch(path(key), {"description": "another"})
    assert admin.api.get(path(key)).json["description"] == "another"


def test_a_key_that_is_known_expires_at_its_moment(admin, key, settings):
    settings.CC_METADATA_CACHE_SECONDS = 3600
    assert admin.api.get(path(key)).json["status"] == "active"
    with travel(key.expires_at):
        assert admin.api.get(path(key)).json["status"] == "expired"


def test_a_stranger_gets_the_same_response_before_and_after_others_read_the_key(
    admin, developer, stranger, key
):
    def refused(which):
        response = stranger.api.get(path(which), X_Request_ID="the-same")
        return response.status, response.raw.content.replace(str(which.id).encode(), b"")

    unknown = Key(id=key.id)
    cold = refused(unknown)
    assert admin.api.get(path(key)).status == developer.api.get(path(key)).status == 200
    assert refused(key) == cold
    assert cold[0] == 404


def test_an_invisible_key_costs_as_many_statements_as_a_missing_one(admin, stranger, key, connection_queries):
    admin.api.get(path(key))
    costs = []
    for each in (key, Key()):
        with connection_queries() as statements:
            assert stranger.api.get(path(each)).status == 404
        costs.append(len(statements))
    assert costs[0] == costs[1]


def test_a_user_who_loses_access_to_all_keys_no_longer_reads_this_one(admin, auditor, new_key):
    of_the_admin = new_key()
    assert auditor.api.get(path(of_the_admin)).status == 200
    set_role(principal=admin.principal, user_id=auditor.user.id, role="developer")
    assert auditor.api.get(path(of_the_admin)).status == 401


def altered(entry):
    mac, _, text = entry.partition(" ")
    values = json.loads(text)
    values[metadata_cache.NAMES.index("description")] = "a lie"
    return f"{mac} {json.dumps(values)}"


@pytest.mark.parametrize(
    "forge",
    [
        altered,
        lambda entry: entry.partition(" ")[2],
        lambda entry: "1.none.AAAA " + entry.partition(" ")[2],
        lambda entry: entry + "\ud800",
        lambda entry: [entry],
        lambda _: 7,
        lambda _: "",
    ],
)
def test_an_entry_that_was_altered_is_not_used(admin, key, places, forge):
    truth = admin.api.get(path(key)).json
    caches["metadata"].set(places[0], forge(caches["metadata"].get(places[0])), 60)
    assert admin.api.get(path(key)).json == truth


def test_a_true_entry_in_another_place_is_not_used(admin, stranger, key, places):
    """An old state under the present epoch, and one user's entry under another user's cache key, are refused."""
    admin.api.get(path(key))
    former = caches["metadata"].get(places[0])
    admin.api.post(f"{path(key)}/revoke", REASON)
    admin.api.get(path(key))
    caches["metadata"].set(places[-1], former, 60)
    assert admin.api.get(path(key)).json["status"] == "revoked"

    epoch = places[-1].rpartition(":")[0]
    caches["metadata"].set(f"{epoch}:{stranger.user.id}", former, 60)
    assert stranger.api.get(path(key)).status == 404


def test_without_a_time_to_live_nothing_is_kept(admin, key, places, settings):
    settings.CC_METADATA_CACHE_SECONDS = 0
    assert admin.api.get(path(key)).status == 200
    assert places == []


def test_a_principal_whose_stamp_does_not_tell_of_the_key_reads_the_database(admin, key, places):
    assert services.get_key(principal=admin.principal, key_id=key.id).row_mac
    assert places == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there is no Redis on this half")
def test_entries_lie_in_redis(admin, key, places):
    admin.api.get(path(key))
    assert isinstance(caches["metadata"], OptionalRedisCache)
    assert caches["metadata"].ttl(places[0]) in range(1, 61)
