from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.errors import NotFound
from kernel.identities import Identity
from keys.lifecycle import State, Status
from keys.models import Key
from keys.reading import services as reading
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

HOUR = timedelta(hours=1)


def names(person, **only):
    return [key.name for key in reading.list_keys(principal=person.principal, only=only)]


@pytest.fixture
def moment():
    return database_now()


@pytest.fixture
def every_lifecycle_state(new_key, moment):
    """A key for each stored state and each combination of the two times that the constraints allow."""
    times = [None, moment - 2 * HOUR, moment - HOUR, moment, moment + HOUR, moment + 2 * HOUR]
    for state in State:
        for activates_at in times:
            for expires_at in times:
                if activates_at and expires_at and expires_at <= activates_at:
                    continue
                key = new_key()
                key.state, key.activates_at, key.expires_at = state, activates_at, expires_at
                key.deletion_at = moment if state is State.DELETION_SCHEDULED else None
                key.save_with_mac()


def test_the_status_filter_selects_in_sql_what_the_lifecycle_says(every_lifecycle_state, moment):
    statuses = {key.id: key.lifecycle_state(moment).status for key in Key.objects.all()}
    assert set(statuses.values()) == set(Status)
    for status in Status:
        expected = {key_id for key_id, found in statuses.items() if found is status}
        assert {key.id for key in Key.objects.with_status(status, moment)} == expected, status


def test_the_list_itself_filters_by_status_now(admin, new_key, let_time_pass):
    key = new_key(expires_at=database_now() + HOUR)
    let_time_pass(key, expired=True)
    assert names(admin, status=Status.EXPIRED) == [key.name]
    assert names(admin, status=Status.ACTIVE) == []


def test_filters_by_the_whole_name(admin, new_key):
    new_key(name="orders-db")
    new_key(name="orders-db-old")
    found = admin.api.get("/api/v1/keys?name=orders-db").json["results"]
    assert [key["name"] for key in found] == ["orders-db"]
    assert admin.api.get("/api/v1/keys?name=Orders-db").json["results"] == []
    assert admin.api.get(f"/api/v1/keys?name={'a' * 65}").status == 400


def test_filters_by_algorithm_or_its_alias(admin, new_key):
    key = new_key(algorithm="aes-256")
    new_key(algorithm="chacha20")
    assert names(admin, algorithm="aes-256") == [key.name]
    assert names(admin, algorithm="aes-256-gcm") == [key.name]


def test_an_unknown_algorithm_is_no_empty_list(admin):
    with pytest.raises(UnsupportedAlgorithm):
        names(admin, algorithm="rot13")


def test_filters_by_a_whole_tag_with_its_case(admin, new_key):
    key = new_key(tags=["PCI", "äpfel % _"])
    new_key(tags=["pci", "PCI-DSS"])
    assert names(admin, tag="PCI") == [key.name]
    assert names(admin, tag="äpfel % _") == [key.name]
    assert names(admin, tag="PC") == []
    assert names(admin, tag='PCI"') == []


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("orders", True),
        ("RDER", True),  # a substring, in any case
        ("orders bücher", True),  # words in different fields
        ("BÜCHER", True),  # the case of letters beyond ASCII
        ("straße", True),
        ("STRASSE", True),
        ("pci", True),
        ("orders pears", False),  # every word
        ("100%", True),
        ("%", True),  # a literal character
        ("_", False),
        ("key\\", False),
        ("", True),
        ("  ", True),
        ("orders-keybücher", False),  # a word does not match across two fields
    ],
)
def test_search_looks_for_every_word_anywhere_without_case(admin, new_key, search, found):
    new_key(name="orders-key", description="Bücher, Straße 100%", tags=["PCI"])
    assert names(admin, search=search) == (["orders-key"] if found else [])


def test_a_search_finds_a_key_by_its_whole_id(admin, new_key):
    key, _ = new_key(name="orders-key"), new_key(name="other-key")
    assert names(admin, search=str(key.id)) == ["orders-key"]
    assert names(admin, search=f"orders {str(key.id).upper()}") == ["orders-key"]
    assert names(admin, search=str(key.id)[:-1]) == []


def test_filters_by_expiry(admin, new_key):
    soon, _later, _never = (
        new_key(expires_at=database_now() + HOUR),
        new_key(expires_at=database_now() + 3 * HOUR),
        new_key(),
    )
    assert names(admin, expires_before=database_now() + 2 * HOUR) == [soon.name]


def test_the_purpose_filter_selects_among_keys_of_one_algorithm(admin, new_key):
    signing, agreeing = (new_key(algorithm="ec-p256", purpose=purpose) for purpose in ("sign", "agree"))
    assert names(admin, algorithm="ec-p256", purpose="agree") == [agreeing.name]
    assert names(admin, purpose="sign") == [signing.name]


def test_filters_narrow_together(admin, new_key):
    wanted = new_key(algorithm="chacha20", tags=["a"])
    new_key(algorithm="chacha20")
    new_key(algorithm="aes-256", tags=["a"])
    assert names(admin, algorithm="chacha20", tag="a", status=Status.ACTIVE) == [wanted.name]


@pytest.mark.parametrize("column", ["name", "created_at", "expires_at", "algorithm"])
def test_orders_both_ways_with_nulls_last(admin, new_key, column):
    for number, algorithm in enumerate(["chacha20", "aes-128", "aes-256"]):
        new_key(algorithm=algorithm, expires_at=database_now() + (3 - number) * HOUR)
    endless = new_key(algorithm="aes-256")

    def listed(ordering):
        rows = reading.list_keys(principal=admin.principal, only={"ordering": ordering})
        return [getattr(key, column) for key in rows]

    values = [value for value in listed(column) if value is not None]
    assert values == sorted(values)
    assert [value for value in listed("-" + column) if value is not None] == values[::-1]
    if column == "expires_at":
        assert listed(column)[-1] is listed("-" + column)[-1] is endless.expires_at is None


def test_ties_are_broken_the_same_way_each_time(admin, new_key):
    for _ in range(6):
        new_key()
    rows = list(reading.list_keys(principal=admin.principal, only={"ordering": "algorithm"}))
    assert [key.id for key in rows] == sorted(key.id for key in rows)


def test_each_role_sees_its_own_keys_or_all(admin, operator, auditor, developer, stranger, new_key):
    mine, theirs = new_key(principal=developer.principal).name, new_key(principal=stranger.principal).name
    assert set(names(admin)) == set(names(operator)) == set(names(auditor)) == {mine, theirs}
    assert names(developer) == [mine]
    assert names(stranger) == [theirs]


def test_a_key_without_a_creator_is_nobodys_own(new_key, developer):
    key = new_key(principal=Principal.system("test", "command"))
    nobody = replace(developer.principal, identity=Identity.SYSTEM)
    assert not reading.list_keys(principal=nobody, only={})
    with pytest.raises(NotFound):
        reading.get_key(principal=nobody, key_id=key.id)


def test_rotations_and_versions_of_others_stay_hidden(admin, developer, stranger, new_key):
    key = new_key(principal=developer.principal)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    assert rotating.list_rotations(principal=developer.principal).count() == 1
    assert rotating.list_rotations(principal=stranger.principal).count() == 0
    assert reading.list_versions(principal=developer.principal, key_id=key.id).count() == 2
    with pytest.raises(NotFound):
        reading.list_versions(principal=stranger.principal, key_id=key.id)


def test_keys_that_protect_are_counted_by_the_clock(new_key, admin, let_time_pass):
    new_key()
    expiring = new_key(expires_at=database_now() + HOUR)
    starting = new_key(activates_at=database_now() + HOUR)
    states.disable_key(principal=admin.principal, key_id=new_key().id, reason="test")
    assert reading.measure_keys().active == 2
    let_time_pass(expiring, expired=True)
    assert reading.measure_keys().active == 1
    let_time_pass(starting)
    assert reading.measure_keys().active == 2


def test_overdue_rotations_and_expiries_are_counted_for_active_keys(new_key, admin):
    now = database_now()
    assert reading.measure_keys() == reading.KeyFigures(0, 0, 0.0, {1: 0, 7: 0, 30: 0})
    for days in (0.5, 6, 20, 40):
        new_key(expires_at=now + timedelta(days=days), rotation_period_days=30)
    late = [new_key(rotation_period_days=30) for _ in range(3)]
    for hours, key in enumerate(late, start=1):
        Key.objects.filter(pk=key.pk).update(next_rotation_at=now - timedelta(hours=hours))
    states.disable_key(principal=admin.principal, key_id=late[2].id, reason="test")
    found = reading.measure_keys()
    assert (found.active, found.overdue, found.expiring) == (6, 2, {1: 1, 7: 2, 30: 3})
    assert 2 * HOUR.seconds <= found.overdue_seconds < 3 * HOUR.seconds
