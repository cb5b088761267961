import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS, find_key_algorithm
from kernel.crypto.errors import DecryptionFailed, UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import NotFound
from kernel.freshness.epoch import read_epoch
from kernel.identities import Identity
from keys.entities import key_entity
from keys.errors import KeyNotActive, KeyNotUsable
from keys.ring import keyring, primitives
from keys.rotation.services import rotating
from keys.states import services as states
from tests.waiting import SOON

pytestmark = pytest.mark.django_db

GCM = SEALING_MODES["aes-256-gcm"]
HOUR = timedelta(hours=1)


def find(person, key):
    return keyring.find(key.id, person.principal)


def seal(entry, version, plaintext=b"canary", mode=GCM):
    return version.primitive(primitives.cipher, mode).seal(
        plaintext, key_id=entry.key_id, version=version.number, aad=b""
    )


def unseal(entry, version, sealed, mode=GCM):
    return version.primitive(primitives.cipher, mode).open(
        sealed, key_id=entry.key_id, version=version.number, aad=b""
    )


def test_an_entry_is_what_its_rows_say(admin, new_key):
    key = new_key(expires_at=database_now() + HOUR)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    entry = find(admin, key)
    assert (entry.key_id, entry.name, entry.algorithm, entry.primary_version) == (
        key.id,
        key.name,
        "aes-256",
        2,
    )
    assert (entry.owner, entry.expires_at) == (Identity.user(admin.user.id), key.expires_at)
    assert entry.modes == find_key_algorithm("aes-256").modes
    assert sorted(entry.versions) == [1, 2]
    assert entry.stamp.as_of == read_epoch()
    assert entry.stamp.epochs == {f"key:{key.id}": read_epoch()}


def test_once_warm_a_key_is_found_and_used_without_a_query(admin, key, django_assert_num_queries):
    entry = find(admin, key)
    sealed = seal(entry, entry.require_protect(database_now()))
    now = database_now()
    with django_assert_num_queries(0):
        again = find(admin, key)
        assert again is entry
        again.require_protect(now)
        assert unseal(again, again.require_process(1, now), sealed) == b"canary"


def test_a_cipher_is_built_once_for_a_version_and_a_mode(admin, key):
    version = find(admin, key).versions[1]
    assert version.primitive(primitives.cipher, GCM) is version.primitive(primitives.cipher, GCM)
    assert version.primitive(primitives.cipher, GCM) is not version.primitive(
        primitives.cipher, SEALING_MODES["aes-256-gcm-siv"]
    )


def test_threads_share_one_cipher(admin, key):
    version = find(admin, key).versions[1]
    version.primitive(
        primitives.cipher, SEALING_MODES["aes-256-gcm-siv"]
    )  # the key-encryption key is read from the database here, once
    with ThreadPoolExecutor(16) as pool:
        ciphers = {
            id(cipher) for cipher in pool.map(lambda _: version.primitive(primitives.cipher, GCM), range(64))
        }
    assert len(ciphers) == 1


def test_material_is_unwrapped_on_first_use_only(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    # The first version's material cannot be opened, which has no effect until it is used.
    first = key.versions.get(version=1)
    first.wrapped = b"\x01" + bytes(60)
    first.save_with_mac()
    entry = find(admin, key)
    assert entry.versions[2].primitive(primitives.cipher, GCM)


@pytest.mark.parametrize(
    "algorithm",
    [
        kind.name
        for kind in KEY_ALGORITHMS
        if kind.purpose == "encrypt" and kind.protects and not kind.is_asymmetric
    ],
)
def test_every_mode_of_every_algorithm_seals_and_opens(admin, new_key, algorithm):
    entry = find(admin, new_key(algorithm=algorithm))
    for name in find_key_algorithm(algorithm).modes:
        version = entry.require_protect(database_now())
        sealed = seal(entry, version, mode=SEALING_MODES[name])
        assert unseal(entry, version, sealed, mode=SEALING_MODES[name]) == b"canary"


def test_a_mode_of_another_algorithm_is_refused_both_ways(admin, key):
    entry = find(admin, key)
    with pytest.raises(UnsupportedAlgorithm):
        entry.require_protect(database_now()).primitive(primitives.cipher, SEALING_MODES["chacha20-poly1305"])
    with pytest.raises(UnsupportedAlgorithm):
        entry.require_process(1, database_now()).primitive(
            primitives.cipher, SEALING_MODES["chacha20-poly1305"]
        )


def test_a_key_that_does_not_exist_is_not_found(admin):
    with pytest.raises(NotFound):
        keyring.find(uuid4(), admin.principal)


def test_a_strangers_key_is_not_found_cold_or_warm(developer, stranger, admin, new_key):
    key = new_key(principal=developer.principal)
    with pytest.raises(NotFound):
        find(stranger, key)
    assert find(developer, key) is find(admin, key)
    with pytest.raises(NotFound):
        find(stranger, key)


def test_a_caller_without_an_account_owns_nothing(developer, new_key):
    key = new_key(principal=developer.principal)
    with pytest.raises(NotFound):
        keyring.find(key.id, replace(developer.principal, identity=Identity.SYSTEM))


def test_the_primary_version_protects_and_earlier_ones_process(admin, key):
    old = find(admin, key)
    sealed = seal(old, old.versions[1])
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    entry = keyring.find_current(key.id, admin.principal)
    assert entry.require_protect(database_now()).number == 2
    assert unseal(entry, entry.require_process(1, database_now()), sealed) == b"canary"
    with pytest.raises(DecryptionFailed):
        unseal(entry, entry.versions[2], sealed)


def test_a_version_that_does_not_exist_or_is_disabled_does_not_process(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    states.disable_version(principal=admin.principal, key_id=key.id, version=1, reason="test")
    entry = find(admin, key)
    with pytest.raises(NotFound):
        entry.require_process(3, database_now())
    with pytest.raises(KeyNotUsable) as refusal:
        entry.require_process(1, database_now())
    assert refusal.value.extra["key_status"] == "active"


def test_a_cached_entry_expires_at_the_given_time(admin, new_key):
    entry = find(admin, new_key(expires_at=database_now() + HOUR))
    entry.require_protect(database_now())
    with pytest.raises(KeyNotActive) as refusal:
        entry.require_protect(entry.expires_at)
    assert refusal.value.extra == {"state": "deactivated", "key_status": "expired"}
    assert entry.require_process(1, entry.expires_at).number == 1


def test_a_replaced_version_ends_at_the_end_of_its_grace_period(admin, new_key, new_policy):
    key = new_key(policy_id=new_policy(rotation_policy={"grace_days": 1}).id)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    entry = find(admin, key)
    end = entry.grace_end(1)
    assert end == entry.versions[2].created_at + timedelta(days=1)
    for now, numbers in ((end - timedelta(microseconds=1), [2, 1]), (end, [2])):
        assert [version.number for version in entry.processing_versions(now)] == numbers
    with pytest.raises(KeyNotUsable, match="grace period"):
        entry.require_process(1, end)
    assert entry.require_process(1, end - timedelta(microseconds=1)).number == 1
    assert entry.require_process(2, end).number == 2


def test_a_compromised_key_processes_for_reencryption_only(admin, key):
    states.revoke_key(principal=admin.principal, key_id=key.id, reason="leak", compromised=True)
    entry = find(admin, key)
    with pytest.raises(KeyNotUsable):
        entry.require_process(1, database_now())
    assert entry.require_process(1, database_now(), for_reencryption=True).number == 1


def test_a_read_of_the_current_key_returns_its_new_state(admin, key):
    warm = find(admin, key)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    fresh = keyring.find_current(key.id, admin.principal)
    assert fresh is not warm
    with pytest.raises(KeyNotActive):
        fresh.require_protect(database_now())


def test_a_change_of_another_key_leaves_an_entry_as_it_is(admin, key, new_key):
    other = find(admin, new_key())
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    assert keyring.find_current(other.key_id, admin.principal) is other
    assert other.stamp.as_of == read_epoch()  # so the next check compares only two numbers


def test_a_changed_entity_is_forgotten_by_its_name(admin, key, new_key):
    entry, other = find(admin, key), find(admin, new_key())
    keyring.forget({key_entity(key.id), "user:somebody", "signing-keys"})
    assert find(admin, key) is not entry
    assert keyring.find(other.key_id, admin.principal) is other


def test_the_epoch_is_read_before_the_rows(admin, key, connection_queries):
    find(admin, key)
    with connection_queries() as statements:
        keyring._cache.drop()
        find(admin, key)
    tables = ("encryption_keys", "entity_epochs", "key_versions", "key_grants")
    assert all(table in each["sql"] for table, each in zip(tables, statements, strict=True))


def test_an_entry_without_a_use_for_a_minute_is_dropped(admin, key, new_key):
    used, unused = find(admin, key), find(admin, new_key())
    entries = keyring._cache.current
    loaded_at = entries._cached[unused.key_id].used
    entries._cached[used.key_id].used = loaded_at + 30
    entries.drop_unused(loaded_at + keyring.MAX_UNUSED)
    assert set(entries._cached) == {used.key_id}


def test_a_stranger_does_not_keep_a_key_in_memory(developer, stranger, new_key):
    key = find(developer, new_key(principal=developer.principal))
    entries = keyring._cache.current
    entries._cached[key.key_id].used = 0.0
    for reference in (key.key_id, f"name:{key.name}"):
        assert keyring.find_cached(reference, stranger.principal) is None
        assert keyring.find_permit(reference, (stranger.principal, "crypto.encrypt")) is None
        with pytest.raises(NotFound):
            keyring.find(reference, stranger.principal)
    assert entries._cached[key.key_id].used == 0.0
    assert keyring.find_cached(f"name:{key.name}", developer.principal) is key
    assert entries._cached[key.key_id].used > 0.0


def test_a_sweeper_runs_while_there_is_something_to_drop(admin, key):
    find(admin, key)
    assert keyring._cache.current._sweeper.is_alive()
    assert keyring._cache.current._sweeper.daemon


def test_the_sweeper_ends_with_the_last_entry_and_another_follows(admin, key, monkeypatch):
    monkeypatch.setattr(keyring, "_SWEEP_INTERVAL", 0.001)
    keyring._cache.drop()
    find(admin, key)
    entries = keyring._cache.current
    first = entries._sweeper
    first.join(0.02)  # some sweeps
    assert first.is_alive()
    keyring.forget([key_entity(key.id)])
    first.join(SOON)
    assert entries._sweeper is None
    find(admin, key)
    assert entries._sweeper.is_alive()


def test_the_least_recently_used_key_goes_first(admin, new_key, monkeypatch):
    monkeypatch.setattr(keyring, "MAX_ENTRIES", 2)
    first, second, third = new_key(), new_key(), new_key()
    for key in (first, second, first, third):
        find(admin, key)
    assert set(keyring._cache.current._cached) == {first.id, third.id}


def test_nothing_in_an_entry_prints_or_serialises_key_bytes(admin, key):
    entry = find(admin, key)
    version = entry.versions[1]
    version.primitive(primitives.cipher, GCM)
    assert repr(version) == "<CachedVersion>"
    assert "CachedVersion" not in repr(entry)
    for serialise in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            serialise(version)
