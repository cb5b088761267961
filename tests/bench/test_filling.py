"""Fill a small database: the statements match the real tables and create the data that the measurements use."""

import pytest
from django.db import connection
from django.db.models import Sum
from psycopg.conninfo import make_conninfo

from accounts.models import User
from audit.models import AuditBundle, AuditLog, UsageRollup
from bench import filling
from keys.models import Key, KeyVersion

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="it fills PostgreSQL"),
]

ENTRIES, KEYS, USERS = 1000, 60, 10


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(filling, "USERS", USERS)
    monkeypatch.setattr(filling, "CHUNK", 400)
    params = connection.get_connection_params()
    url = make_conninfo("", **{name: params[name] for name in ("host", "port", "user", "dbname")})
    AuditBundle.objects.all().delete()
    said = []
    filling.fill(url, ENTRIES, said.append, keys=KEYS)
    return said


def filled():
    return AuditLog.objects.filter(user_agent="python-requests/2.32.5") | AuditLog.objects.filter(
        actor_name="audit writer"
    )


def test_a_small_database_is_filled(said):
    assert [line.split(" after")[0].strip() for line in said[:3]] == [
        "400 entries",
        "800 entries",
        "1,000 entries",
    ]
    assert said[3].startswith("filled in")
    assert filled().count() == ENTRIES
    assert not AuditBundle.objects.exists(), "what no application wrote is not sequenced"
    assert User.objects.filter(username__startswith="user-").count() == USERS
    assert Key.objects.count() == KEYS
    assert Key.objects.filter(is_default=True).count() == USERS
    assert KeyVersion.objects.filter(is_primary=True).count() == KEYS < KeyVersion.objects.count()


def test_the_measured_users_and_keys_exist_and_have_entries(said):
    assert Key.objects.get(id=filling.key_id(1)).created_by_id == filling.user_id(2)
    assert User.objects.get(id=filling.user_id(1)).username == "user-1"
    most_used = filled().filter(object_id=str(filling.key_id(1))).count()
    assert most_used > ENTRIES / KEYS, "the lower its number, the more a key was used"


def test_times_rise_with_the_ids_and_span_a_year(said):
    moments = list(filled().order_by("id").values_list("timestamp", flat=True))
    assert moments == sorted(moments)
    assert 360 < (moments[-1] - moments[0]).days <= filling.DAYS


def test_each_writer_has_counted_without_a_gap(said):
    for writer in filled().values_list("writer", flat=True).distinct():
        numbers = list(filled().filter(writer=writer).order_by("wseq").values_list("wseq", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))


def test_use_is_what_the_log_adds_up_to(said):
    operations = filled().filter(object_type="key", action__startswith="crypto.")
    assert UsageRollup.objects.aggregate(sum=Sum("count")) == {"sum": operations.count()}
