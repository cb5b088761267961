from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.errors import MacMismatch
from kernel.trust import system_keys
from kernel.trust.row_mac import IntegrityFailed, encode_fields
from tests.factories import UserFactory

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.binary(),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
)
FIELDS = st.lists(st.one_of(SCALARS, st.lists(st.text())), max_size=4)


def typed(fields):
    return [(type(field), field) for field in fields]


@given(FIELDS, FIELDS)
def test_two_lists_of_fields_have_one_encoding_only_if_they_are_equal(one, other):
    assert (encode_fields(one) == encode_fields(other)) is (typed(one) == typed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([1], [True]),
        (["1"], [1]),
        ([None], [""]),
        ([b"a"], ["a"]),
        ([["a", "b"]], [["ab"]]),
        ([UUID(int=1)], [UUID(int=1).bytes]),
    ],
)
def test_similar_fields_have_different_encodings(one, other):
    assert encode_fields(one) != encode_fields(other)


def test_the_zone_of_a_moment_does_not_matter():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert encode_fields([moment]) == encode_fields([moment.astimezone()])


def test_an_unknown_type_of_field_is_refused():
    with pytest.raises(TypeError):
        encode_fields([1.5])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"role": "admin"},
        {"is_active": False},
        {"subject_version": 2},
        {"password": "argon2$another"},
        {"row_seq": 2},
        {"row_mac": ""},
        {"row_mac": "1.00000000.AAAA"},
        {"row_mac": "2.00000000.AAAA"},
        {"row_mac": "one.two.three.four"},
    ],
)
def test_a_row_changed_behind_the_application_is_refused(change):
    user = UserFactory(username="mallory")
    user.check_mac()
    type(user).objects.filter(pk=user.pk).update(**change)
    assert user.is_authentic
    user.refresh_from_db()
    assert not user.is_authentic
    with pytest.raises(IntegrityFailed, match="users"):
        user.check_mac()


@pytest.mark.django_db
def test_the_mac_of_one_row_does_not_fit_another():
    one, other = UserFactory(), UserFactory()
    other.row_mac = one.row_mac
    with pytest.raises(IntegrityFailed):
        other.check_mac()


@pytest.mark.django_db
def test_the_name_of_a_key_in_a_mac_is_looked_up_only_if_it_may_be_one(django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(MacMismatch):
        system_keys.check_mac(system_keys.ROW_MAC, 1, b"", "1.no-such-name.AAAA")
