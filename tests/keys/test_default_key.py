from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.principals import Principal
from crypto_ops.deciding.context import CachedDecisionContext, CacheMiss
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.errors import Invalid
from keys.creation import services
from keys.entities import key_entity
from keys.models import Key
from keys.ring import keyring
from tests.keys.steps import succeed

pytestmark = pytest.mark.django_db


def test_the_first_use_creates_the_key_and_the_second_finds_it(developer, events_of):
    first = services.default_key(developer.principal, "aes-256")
    assert services.default_key(developer.principal, "aes-256") == first
    assert first.is_default
    assert first.created_by_id == developer.user.id
    (event,) = events_of(first)
    assert event.action == "keys.key.created"
    assert event.user_id == developer.user.id


def test_each_user_and_each_algorithm_has_its_own(developer, stranger):
    keys = {
        services.default_key(person.principal, algorithm).id
        for person in (developer, stranger)
        for algorithm in ("aes-256", "chacha20")
    }
    assert len(keys) == 4


def test_the_memory_of_default_keys_is_bounded(developer, stranger, monkeypatch):
    monkeypatch.setattr(keyring, "MAX_ENTRIES", 1)
    services.find_default(developer.principal, "aes-256")
    last = services.find_default(stranger.principal, "aes-256")
    assert keyring.cached_default_id(developer.principal, "aes-256") is None
    assert keyring.cached_default_id(stranger.principal, "aes-256") == last.key_id


def test_its_name_cannot_be_taken_beforehand(developer, stranger):
    names = {services.default_key(person.principal, "aes-256").name for person in (developer, stranger)}
    assert len(names) == 2
    assert all(name.startswith("default-aes-256-") for name in names)


def test_a_mode_selects_the_default_key_of_its_algorithm(developer):
    assert services.default_key(developer.principal, "aes-256-gcm") == services.default_key(
        developer.principal, "aes-256"
    )


def test_a_caller_without_a_user_has_no_default_key():
    with pytest.raises(Invalid) as refusal:
        services.default_key(Principal.system("test", "command"), "aes-256")
    assert set(refusal.value.fields) == {"key_id"}


def test_an_unknown_algorithm_creates_nothing(developer):
    with pytest.raises(UnsupportedAlgorithm):
        services.default_key(developer.principal, "rot13")
    assert not Key.objects.exists()


def test_once_known_the_keyring_finds_it_without_a_query(developer, django_assert_num_queries):
    entry = services.find_default(developer.principal, "aes-256")
    with django_assert_num_queries(0):
        assert services.find_default(developer.principal, "aes-256") is entry


def test_another_user_gets_another_from_the_keyring(developer, stranger):
    assert (
        services.find_default(developer.principal, "aes-256").key_id
        != services.find_default(stranger.principal, "aes-256").key_id
    )


@pytest.mark.django_db(transaction=True)
def test_a_process_that_has_cached_the_default_key_encrypts_with_its_successor(admin):
    def encrypt():
        message = {"algorithm": "aes-256-gcm", "data": "cGxhaW4="}
        response = admin.api.post("/api/v1/encrypt", message)
        return response.json.get("key_id", response.json)

    old = services.find_default(admin.principal, "aes-256")
    assert encrypt() == str(old.key_id)
    new = succeed(admin, Key(pk=old.key_id), "second")
    assert encrypt() == str(new.id)
    third = succeed(admin, new, "third")
    assert encrypt() == str(third.id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("algorithm", ["aes-256", "chacha20"])
def test_the_cached_path_finds_the_successor_too(admin, algorithm):
    """As the event loop does. Another algorithm moves no default, and must not end in an endless load."""

    def find():
        for loads in range(10):
            context = CachedDecisionContext(admin.principal, "")
            try:
                return context.find_default("aes-256", "crypto.encrypt"), loads
            except CacheMiss as miss:
                miss.load()
        raise AssertionError

    old, _ = find()
    assert find() == (old, 0)
    new = succeed(admin, Key(pk=old.key_id), "successor", algorithm=algorithm)
    keyring.forget([key_entity(old.key_id)])  # the commit refuses a decision by the old entry
    entry, loads = find()
    assert entry.key_id == (new.id if algorithm == "aes-256" else old.key_id)
    assert loads <= 3
    assert find() == (entry, 0)


@pytest.mark.django_db(transaction=True)
def test_one_of_32_simultaneous_first_uses_creates_the_key(developer):
    starting_line = Barrier(32)

    def use():
        starting_line.wait()
        try:
            return services.default_key(developer.principal, "aes-256").id
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        found = {future.result() for future in [pool.submit(use) for _ in range(32)]}
    assert len(found) == 1
    assert Key.objects.count() == 1
