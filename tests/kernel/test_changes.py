"""A connection has the changes of protected rows until an entry of their transaction takes them."""

import pytest
from django.db import connection, transaction

from kernel.databases import changes
from kernel.databases.changes import Change, note_change, record_rest_with, take_changes
from kernel.freshness.models import EntityEpoch

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

FIRST, SECOND, THIRD = (Change("t", str(number), "", "mac") for number in range(3))


@pytest.fixture
def recorded(monkeypatch):
    """The changes that were left before each commit."""
    left = []
    monkeypatch.setattr(changes, "_recorder", [])
    record_rest_with(lambda rest: left.append((list(rest), take_changes(), connection.in_atomic_block)))
    return left


def test_an_entry_takes_the_changes_before_it_once(recorded):
    with transaction.atomic():
        note_change(FIRST)
        assert take_changes() == [FIRST]
        assert take_changes() == []
        note_change(SECOND)
        assert take_changes() == [SECOND]
    assert recorded == []


def test_before_a_commit_an_entry_of_its_own_takes_the_rest(recorded):
    with transaction.atomic():
        note_change(FIRST)
        take_changes()
        note_change(SECOND)
        with transaction.atomic():
            note_change(THIRD)
        assert recorded == []
    assert recorded == [([SECOND, THIRD], [SECOND, THIRD], True)]
    with transaction.atomic():
        assert take_changes() == []


def test_a_rolled_back_savepoint_takes_its_changes_with_it_and_returns_those_before_it(recorded):
    with transaction.atomic():
        note_change(FIRST)
        with transaction.atomic():
            note_change(SECOND)
            assert take_changes() == [FIRST, SECOND]
            transaction.set_rollback(True)
        assert take_changes() == [FIRST]


def test_another_rolled_back_savepoint_returns_nothing(recorded):
    with transaction.atomic():
        note_change(FIRST)
        with transaction.atomic():
            take_changes()
        with transaction.atomic():
            transaction.set_rollback(True)
        assert take_changes() == []
    assert connection._noted == []


def test_a_rolled_back_transaction_leaves_nothing(recorded):
    with transaction.atomic():
        note_change(FIRST)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert take_changes() == []
    assert recorded == []


def test_outside_a_transaction_nothing_is_noted():
    with pytest.raises(transaction.TransactionManagementError, match="inside a transaction only"):
        note_change(FIRST)


def test_without_an_entry_nothing_is_committed(monkeypatch, root_of_trust):
    def fail(_rest):
        raise ZeroDivisionError

    monkeypatch.setattr(changes, "_recorder", [fail])
    before = EntityEpoch.objects.count()
    with pytest.raises(ZeroDivisionError):
        change_and_commit()
    assert EntityEpoch.objects.count() == before
    assert connection.get_autocommit()


@transaction.atomic
def change_and_commit():
    EntityEpoch.objects.create(entity="x", epoch=1)
    note_change(FIRST)
