import uuid
from datetime import UTC, datetime, timedelta

import pytest

from accounts.principals import Principal
from accounts.roles import ROLES
from audit.browse import selection
from audit.browse.selection import LogCriteria, TrailCriteria, page_before, time_column
from audit.log.events import Actor, Event, Outcome, RowChange
from audit.sequencing.catching_up import catch_up
from audit.services.reading import find_changes, find_logs
from audit.services.showing import show_entry
from kernel.errors import Denied, NotFound
from kernel.identities import Identity
from tests.log_entries import log_rows, record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MIRA, SVEN = uuid.UUID(int=1), uuid.UUID(int=2)


def actor(user_id, name, source="api"):
    return Actor(
        user_id=user_id,
        actor_type="user",
        actor_name=name,
        auth_method="password",
        token_id="",
        client_ip="192.0.2.1",
        user_agent="curl/8.1",
        source=source,
        request_id="r",
    )


def reader(role, user_id=MIRA):
    return Principal(
        actor=actor(user_id, "reader"),
        identity=Identity.user(user_id),
        rights=ROLES[role],
        permissions=ROLES[role].permissions,
    )


AUDITOR = reader("auditor", uuid.UUID(int=9))


@pytest.fixture
def entries(db):
    """Name -> entry; the entries are one minute apart."""
    recorded = {
        "created": (Event(action="keys.key.created", object_id="k-1"), actor(MIRA, "mira")),
        "rotated": (
            Event(action="keys.key.rotated", object_id="k-1", meta={"reason": "Leaked on a laptop"}),
            actor(SVEN, "sven", "console"),
        ),
        "refused": (
            Event(action="keys.key.rotated", object_id="k-2", outcome=Outcome.DENIED, code="not_found"),
            actor(MIRA, "mira"),
        ),
        "system": (Event(action="keys.key.rotated", object_id="k-2"), Actor.system("mira", "scheduler")),
    }
    made = {
        name: record(
            event,
            who,
            at=NOON + timedelta(minutes=minute),
            changes=[
                RowChange(table_name="encryption_keys", record_id=event.object_id, action="update"),
            ],
        )
        for minute, (name, (event, who)) in enumerate(recorded.items())
    }
    catch_up()
    return made


def names(entries, found):
    return [next(name for name, entry in entries.items() if entry.id == row.id) for row in found]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, ["system", "refused", "rotated", "created"]),
        ({"actor": "mira"}, ["system", "refused", "created"]),
        ({"actor": str(MIRA)}, ["refused", "created"]),
        ({"actor": "nobody"}, []),
        ({"action": "keys.key.created"}, ["created"]),
        ({"action": "Rotate"}, ["system", "refused", "rotated"]),
        ({"action": "rotate", "object_id": "k-1"}, ["rotated"]),
        ({"action": "rotat"}, []),
        ({"object_id": "k-1"}, ["rotated", "created"]),
        ({"outcome": "denied"}, ["refused"]),
        ({"source": "console"}, ["rotated"]),
        ({"since": NOON + timedelta(minutes=2)}, ["system", "refused"]),
        ({"until": NOON + timedelta(minutes=2)}, ["rotated", "created"]),
        (
            {"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=3)},
            ["refused", "rotated"],
        ),
        ({"search": "LAPTOP"}, ["rotated"]),
        ({"search": "laptop sven"}, ["rotated"]),
        ({"search": "laptop mira"}, []),
        ({"search": "t_found"}, ["refused"]),
        ({"search": "no__found"}, []),
        ({"search": "not%found"}, []),
        ({"actor": "mira", "object_id": "k-2", "outcome": "ok"}, ["system"]),
    ],
)
def test_each_filter_finds_what_it_names(entries, criteria, expected):
    assert names(entries, find_logs(reader=AUDITOR, criteria=LogCriteria(**criteria))) == expected


@pytest.mark.parametrize("role", ["admin", "operator", "auditor"])
def test_roles_with_access_to_all_entries_see_every_entry(entries, role):
    assert find_logs(reader=reader(role), criteria=LogCriteria()).count() == 4
    assert find_changes(reader=reader(role), criteria=TrailCriteria()).count() == 4


def test_a_developer_sees_their_own_actions_only(entries):
    mira = reader("developer")

    assert names(entries, find_logs(reader=mira, criteria=LogCriteria())) == ["refused", "created"]
    assert not find_logs(reader=mira, criteria=LogCriteria(actor="sven")).exists()
    assert {row.changed_by for row in find_changes(reader=mira, criteria=TrailCriteria())} == {MIRA}
    assert show_entry(reader=mira, log_id=entries["created"].id) == entries["created"]
    with pytest.raises(NotFound):
        show_entry(reader=mira, log_id=entries["rotated"].id)


def test_entries_of_the_system_belong_to_no_developer(entries):
    nobody = reader("developer", None)

    assert not find_logs(reader=nobody, criteria=LogCriteria()).exists()
    assert not find_changes(reader=nobody, criteria=TrailCriteria()).exists()


def test_a_reader_without_the_permission_is_denied(entries):
    powerless = Principal(
        actor=actor(MIRA, "m"), identity=Identity.user(MIRA), rights=ROLES["admin"], permissions=frozenset()
    )

    for find in (
        lambda: find_logs(reader=powerless, criteria=LogCriteria()),
        lambda: find_changes(reader=powerless, criteria=TrailCriteria()),
        lambda: show_entry(reader=powerless, log_id=entries["created"].id),
    ):
        with pytest.raises(Denied):
            find()


def test_an_entry_that_is_not_there_is_not_found(entries):
    with pytest.raises(NotFound):
        show_entry(reader=AUDITOR, log_id=2**63 + 1)


@pytest.mark.parametrize(
    ("criteria", "count"),
    [
        ({"table_name": "encryption_keys"}, 4),
        ({"table_name": "users"}, 0),
        ({"record_id": "k-1"}, 2),
        ({"actor": "sven"}, 1),
        ({"actor": str(MIRA)}, 2),
        ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=3)}, 2),
    ],
)
def test_the_trail_is_found_by_table_record_actor_and_time(entries, criteria, count):
    assert find_changes(reader=AUDITOR, criteria=TrailCriteria(**criteria)).count() == count


def many(number):
    return [record(Event(action="test.thing.done"), actor(MIRA, "mira")).id for _ in range(number)]


def test_pages_follow_each_other_without_gap_or_repetition():
    ids = many(7)
    rows, before, seen = log_rows().all(), None, []
    while True:
        page = page_before(rows, before=before, limit=3)
        assert (page.count, page.count_is_exact) == (7, True)
        seen.append([row.id for row in page.rows])
        before = page.next_before
        if before is None:
            break

    newest = ids[::-1]
    assert seen == [newest[:3], newest[3:6], newest[6:]]


def test_new_entries_do_not_shift_the_older_pages():
    ids = many(6)
    first = page_before(log_rows().all(), before=None, limit=3)
    many(2)
    second = page_before(log_rows().all(), before=first.next_before, limit=3)

    assert [row.id for row in second.rows] == ids[:3][::-1]


def test_the_way_back_leads_to_the_page_one_came_from():
    ids = many(7)
    rows = log_rows().all()

    first = page_before(rows, before=None, limit=3)
    assert (first.has_previous, first.previous_before) == (False, None)
    second = page_before(rows, before=first.next_before, limit=3)
    assert (second.has_previous, second.previous_before) == (True, None)
    third = page_before(rows, before=second.next_before, limit=3)
    back = page_before(rows, before=third.previous_before, limit=3)
    assert third.has_previous
    assert [row.id for row in back.rows] == [row.id for row in second.rows] == ids[1:4][::-1]


def test_a_full_last_page_has_no_next():
    many(3)

    assert page_before(log_rows().all(), before=None, limit=3).next_before is None


def test_counting_stops_at_its_bound_and_reports_it(monkeypatch):
    monkeypatch.setattr(selection, "EXACT_COUNT", 5)
    many(5)
    page = page_before(log_rows().all(), before=None, limit=2)
    assert (page.count, page.count_is_exact) == (5, True)

    many(1)
    page = page_before(log_rows().all(), before=None, limit=2)
    assert (page.count, page.count_is_exact) == (5, False)


def test_a_window_of_time_is_paged_by_time_and_ties_by_id():
    minutes = [4, 1, 3, 3, 0, 2, 3]
    ids = [
        record(Event(action="test.thing.done"), actor(MIRA, "mira"), at=NOON + timedelta(minutes=minute)).id
        for minute in minutes
    ]
    rows = log_rows().filter(timestamp__gte=NOON + timedelta(minutes=1))
    newest = [ids[place] for place in (0, 6, 3, 2, 5, 1)]

    first = page_before(rows, before=None, limit=2, time="timestamp")
    second = page_before(rows, before=first.next_before, limit=2, time="timestamp")
    third = page_before(rows, before=second.next_before, limit=2, time="timestamp")
    back = page_before(rows, before=third.previous_before, limit=2, time="timestamp")

    pages = (first, second, third, back)
    assert [[row.id for row in page.rows] for page in pages] == [
        newest[:2],
        newest[2:4],
        newest[4:],
        newest[2:4],
    ]
    assert [page.count for page in pages] == [6, 6, 6, 6]
    assert (third.next_before, back.previous_before, back.has_previous) == (None, None, True)


def test_an_id_that_is_not_in_the_window_divides_it_by_id():
    ids = many(4)
    rows = log_rows().filter(timestamp__gte=NOON).exclude(id=ids[2])

    page = page_before(rows, before=ids[2], limit=3, time="timestamp")

    assert [row.id for row in page.rows] == [ids[1], ids[0]]
    assert page.has_previous


@pytest.mark.parametrize(
    ("criteria", "column"),
    [
        (LogCriteria(), ""),
        (LogCriteria(actor="mira"), ""),
        (LogCriteria(since=NOON), "timestamp"),
        (LogCriteria(until=NOON), "timestamp"),
    ],
)
def test_only_a_bound_of_the_time_sorts_by_it(criteria, column):
    assert time_column(criteria, "timestamp") == column


@pytest.mark.parametrize(("before", "queries"), [(None, 2), (10**9, 3)])
def test_a_page_costs_the_same_few_queries_however_long_it_is(django_assert_num_queries, before, queries):
    many(30)

    rows = log_rows().all()
    with django_assert_num_queries(queries):
        page_before(rows, before=before, limit=25)


def test_a_page_of_everything_is_not_counted_again(django_assert_num_queries):
    many(25)

    rows = log_rows().all()
    with django_assert_num_queries(1):
        page = page_before(rows, before=None, limit=25)
    assert (page.count, page.count_is_exact) == (25, True)


@pytest.mark.parametrize(("who", "queries"), [("mira", 4), (str(MIRA), 3)])
def test_one_query_of_the_log_finds_the_id_of_a_name(entries, django_assert_num_queries, who, queries):
    with django_assert_num_queries(queries) as sent:
        assert len(find_changes(reader=AUDITOR, criteria=TrailCriteria(actor=who))) == 2
    assert "audit_logs" not in sent[-1]["sql"]


def test_a_name_in_the_format_of_an_id_is_searched_as_an_id():
    id_of_mira = record(Event(action="test.thing.done"), actor(MIRA, "mira")).id
    record(Event(action="test.thing.done"), actor(SVEN, str(MIRA)))
    hexadecimal = record(Event(action="test.thing.done"), actor(SVEN, MIRA.hex)).id

    def found(who):
        return [row.id for row in find_logs(reader=AUDITOR, criteria=LogCriteria(actor=who))]

    assert found(str(MIRA)) == found(str(MIRA).upper()) == [id_of_mira]
    assert found(MIRA.hex) == [hexadecimal]
