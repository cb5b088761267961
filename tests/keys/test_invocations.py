from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from kernel.crypto.modes import SEALING_MODES
from keys.errors import UsageLimitReached
from keys.models import KeyVersion
from keys.ring import invocations, keyring
from keys.ring.invocations import FIRST_RESERVATION, LARGEST_RESERVATION, InvocationCounter, counter_of
from keys.rotation.services import rotating

pytestmark = pytest.mark.django_db(transaction=True)

GCM = SEALING_MODES["aes-256-gcm"]
LIMIT = GCM.invocation_limit


@pytest.fixture
def version(key):
    return key.versions.get()


def reserved(version):
    return KeyVersion.objects.get(pk=version.pk).uses_reserved


def set_reserved(version, number):
    KeyVersion.objects.filter(pk=version.pk).update(uses_reserved=number)


def test_the_first_use_reserves_many_before_it_is_used(version, django_assert_num_queries):
    counter = InvocationCounter(version.pk)
    counter.take(LIMIT)
    assert reserved(version) == FIRST_RESERVATION
    with django_assert_num_queries(0):
        counter.take(LIMIT)
    assert counter._left == FIRST_RESERVATION - 2


def test_each_reservation_doubles_up_to_the_largest(version):
    counter = InvocationCounter(version.pk)
    sizes = []
    for _ in range(7):
        before = reserved(version)
        counter._left = 0  # the reservation is used up
        counter.take(LIMIT)
        sizes.append(reserved(version) - before)
    assert sizes == [2**16, 2**17, 2**18, 2**19, 2**20, 2**20, 2**20]
    assert sizes[-1] == LARGEST_RESERVATION


def test_the_last_invocations_go_out_and_then_no_more(version):
    set_reserved(version, LIMIT - 3)
    counter = InvocationCounter(version.pk)
    for _ in range(3):
        counter.take(LIMIT)
    with pytest.raises(UsageLimitReached) as refusal:
        counter.take(LIMIT)
    assert refusal.value.code == "usage_limit_reached"
    assert "Rotate" in refusal.value.detail
    assert reserved(version) == LIMIT


def test_two_processes_never_share_an_invocation(version):
    InvocationCounter(version.pk).take(LIMIT)
    InvocationCounter(version.pk).take(LIMIT)
    assert reserved(version) == 2 * FIRST_RESERVATION


def test_threads_count_each_invocation_once(version):
    counter = InvocationCounter(version.pk)

    def use(_):
        try:
            counter.take(LIMIT)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(800)))
    assert counter._left == FIRST_RESERVATION - 800
    assert reserved(version) == FIRST_RESERVATION


def end_refills():
    invocations._counters.current.refills.submit(int).result()  # its one thread does nothing else then


def test_a_low_reservation_is_refilled_each_time_before_it_is_used_up(version):
    counter = InvocationCounter(version.pk)
    assert not counter.take_reserved(LIMIT)
    end_refills()
    assert reserved(version) == 0
    counter.prepare(LIMIT, 1)
    assert counter.take_reserved(LIMIT, FIRST_RESERVATION - invocations._LOW)
    end_refills()
    assert reserved(version) == FIRST_RESERVATION
    sizes = []
    for _ in range(2):
        before = reserved(version)
        assert counter.take_reserved(LIMIT, counter._left - invocations._LOW + 1)
        assert counter.take_reserved(LIMIT)
        end_refills()
        sizes.append(reserved(version) - before)
    assert sizes == [2 * FIRST_RESERVATION, 4 * FIRST_RESERVATION]


def test_a_refused_refill_is_the_last_but_a_failed_one_is_tried_again(version, caplog):
    refused, failed = InvocationCounter(version.pk), InvocationCounter("no such version")
    set_reserved(version, LIMIT)
    for counter in (refused, failed):
        counter._left = 2
        assert counter.take_reserved(LIMIT)
        end_refills()
    assert "could not be reserved" in caplog.text
    set_reserved(version, 0)
    failed._version_id = version.pk
    for counter, expected in ((refused, 0), (failed, FIRST_RESERVATION)):
        assert counter.take_reserved(LIMIT)
        end_refills()
        assert reserved(version) == expected


def test_a_reservation_survives_the_reload_of_its_key(admin, key, version):
    keyring.find(key.id, admin.principal).versions[1].reserve_invocations(GCM, 1)
    keyring._cache.drop()
    keyring.find(key.id, admin.principal).versions[1].reserve_invocations(GCM, 1)
    assert reserved(version) == FIRST_RESERVATION


def test_rotation_is_the_remedy(admin, key, version):
    set_reserved(version, LIMIT)
    entry = keyring.find(key.id, admin.principal)
    with pytest.raises(UsageLimitReached):
        entry.versions[1].reserve_invocations(GCM, 1)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="used up")
    keyring.find_current(key.id, admin.principal).versions[2].reserve_invocations(GCM, 1)


def test_a_mode_without_a_limit_in_reach_counts_nothing(admin, new_key):
    key = new_key(algorithm="aes-256-siv")
    keyring.find(key.id, admin.principal).versions[1].reserve_invocations(SEALING_MODES["aes-256-siv"], 1)
    assert reserved(key.versions.get()) == 0


def test_invocations_are_never_reserved_inside_a_transaction(version):
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        InvocationCounter(version.pk).take(LIMIT)
    assert reserved(version) == 0


def test_a_process_has_one_counter_of_a_version(version):
    assert counter_of(version.pk) is counter_of(version.pk)


def test_reserving_leaves_the_rows_mac_alone(version):
    InvocationCounter(version.pk).take(LIMIT)
    KeyVersion.objects.get(pk=version.pk).check_mac()
