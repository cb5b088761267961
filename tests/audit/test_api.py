import hashlib
import json
from datetime import timedelta

import pytest
from msgspec import structs

from audit.log import canonical, entries
from audit.log.canonical import MAX_INTEGER
from audit.log.events import Actor, Event, Outcome, RowChange
from audit.models import AuditTrail
from audit.services.searching import SEARCH_COST
from kernel.clock import database_now
from tests.log_entries import log_rows, record
from tests.personas import ApiClient

LOGS, TRAIL = "/api/v1/audit/logs", "/api/v1/audit/trail"

pytestmark = pytest.mark.django_db


def record_event(actor, action="test.thing.done", changes=(), **values):
    return record(Event(action=action, **values), actor, changes=changes)


@pytest.fixture
def recorded(developer, stranger):
    """Five entries of one object: three by the developer, one by a stranger, one by the system."""
    actors = [developer.principal.actor] * 3 + [
        stranger.principal.actor,
        Actor.system("rotate_keys", "command"),
    ]
    return [record_event(actor, object_id="the-object", size=64, meta={"é": 1}) for actor in actors]


def test_an_auditor_reads_entries_newest_first(auditor, recorded):
    response = auditor.api.get(f"{LOGS}?object=the-object")

    assert response.status == 200
    assert [entry["id"] for entry in response.json["results"]] == [entry.id for entry in recorded][::-1]
    assert {name: value for name, value in response.json.items() if name != "results"} == {
        "count": 5,
        "count_is_exact": True,
        "limit": 20,
        "next": None,
        "previous": None,
        "searched_above": None,
        "archived_until": None,
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_an_entry_is_the_columns_of_its_row_exactly_as_they_are_hashed(auditor, recorded):
    shown = auditor.api.get(f"{LOGS}/{recorded[0].id}").json
    stored = log_rows().values().get(id=recorded[0].id)

    assert shown["mac"] == stored["mac"]
    assert shown["meta"] == '{"é":1}'
    assert shown.pop("actor_id") is None
    columns = {name: value for name, value in shown.items() if name not in {"mac", "integrity"}}
    assert canonical.encode({"version": 1, **columns}) == entries.entry_bytes(stored)


@pytest.mark.parametrize("persona", ["admin", "operator", "auditor"])
def test_roles_that_read_the_whole_log_see_the_actions_of_all_users(request, recorded, persona):
    api = request.getfixturevalue(persona).api

    assert api.get(f"{LOGS}?object=the-object").json["count"] == 5
    assert api.get(f"{LOGS}/{recorded[3].id}").status == 200


def test_a_developer_sees_only_their_own_actions(developer, stranger, recorded):
    response = developer.api.get(f"{LOGS}?object=the-object")

    assert {entry["user_id"] for entry in response.json["results"]} == {str(developer.user.id)}
    assert response.json["count"] == 3
    assert developer.api.get(f"{LOGS}?object=the-object&actor={stranger.user.username}").json["count"] == 0
    assert developer.api.get(f"{LOGS}/{recorded[0].id}").status == 200


def test_entries_of_other_users_do_not_exist_for_a_developer(developer, recorded):
    hidden = developer.api.get(f"{LOGS}/{recorded[3].id}", X_Request_ID="same")
    missing = developer.api.get(f"{LOGS}/{recorded[3].id + 1000}", X_Request_ID="same")

    assert (hidden.status, hidden.code) == (404, "not_found")
    assert hidden.raw.content == missing.raw.content


@pytest.mark.parametrize("path", [LOGS, f"{LOGS}/1", TRAIL])
def test_without_a_token_nothing_is_shown(recorded, path):
    response = ApiClient().get(path)

    assert (response.status, response.code) == (401, "authentication_failed")


@pytest.mark.parametrize("path", [LOGS, f"{LOGS}/1", TRAIL])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_log_is_for_reading_only(admin, path, method):
    assert admin.api.send(method, path, {}).status == 405


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("object=the-object", 5),
        ("object=the-object&actor=rotate_keys", 1),
        ("object=the-object&source=command", 1),
        ("object=the-object&actor_type=system", 1),
        ("object=the-object&outcome=ok", 5),
        ("object=the-object&outcome=denied", 0),
        ("object=the-object&action=test.thing.done", 5),
        ("object=the-object&action=test.thing", 0),
        ("search=the-object+rotate_keys", 1),
        ("object=the-object&from=2020-01-01T00:00:00Z", 5),
        ("object=the-object&to=2020-01-01T00:00:00%2B02:00", 0),
    ],
)
def test_filters_narrow_the_log(auditor, recorded, query, count):
    assert auditor.api.get(f"{LOGS}?{query}").json["count"] == count


def test_an_actor_is_named_by_name_or_id(auditor, developer, recorded):
    by_name = auditor.api.get(f"{LOGS}?object=the-object&actor={developer.user.username}").json
    by_id = auditor.api.get(f"{LOGS}?object=the-object&actor={developer.user.id}").json

    assert by_name["count"] == by_id["count"] == 3


def test_the_time_range_is_half_open(auditor, recorded):
    moment = canonical.format_timestamp(recorded[2].timestamp)
    after = auditor.api.get(f"{LOGS}?object=the-object&from={moment}").json
    before = auditor.api.get(f"{LOGS}?object=the-object&to={moment.removesuffix('Z')}").json

    assert [entry["id"] for entry in after["results"]] == [recorded[4].id, recorded[3].id, recorded[2].id]
    assert [entry["id"] for entry in before["results"]] == [recorded[1].id, recorded[0].id]


@pytest.mark.parametrize("path", [LOGS, TRAIL])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("before=0", "before"),
        (f"before={MAX_INTEGER + 1}", "before"),
        ("before=x", "before"),
        ("from=yesterday", "from"),
        ("from=2026-11-24", "from"),
        ("to=2026-13-01T00:00:00Z", "to"),
        ("from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("actor=", "actor"),
        ("actor=a%00b", "actor"),
        (f"actor={'x' * 151}", "actor"),
        ("page=2", "page"),
        ("actors=mira", "actors"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_bad_query_is_refused_naming_the_parameter(auditor, path, query, field):
    response = auditor.api.get(f"{path}?{query}")

    assert (response.status, response.code) == (400, "invalid_request")
    assert list(response.json["errors"]) == [field]


@pytest.mark.parametrize("field", ["outcome", "source", "object", "action", "search"])
def test_a_bad_filter_of_the_log_is_refused_naming_it(auditor, field):
    response = auditor.api.get(f"{LOGS}?{field}={'x' * 201}")

    assert (response.status, list(response.json["errors"])) == (400, [field])


def test_pages_link_to_each_other(auditor, recorded):
    first = auditor.api.get(f"{LOGS}?object=the-object&limit=2")
    second = auditor.api.get(first.json["next"])
    third = auditor.api.get(second.json["next"])

    pages = [[entry["id"] for entry in response.json["results"]] for response in (first, second, third)]
    ids = [entry.id for entry in recorded][::-1]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert (first.json["previous"], third.json["next"]) == (None, None)
    assert auditor.api.get(third.json["previous"]).json["results"] == second.json["results"]
    assert auditor.api.get(second.json["previous"]).json["results"] == first.json["results"]
    assert second.headers["Link"] == (
        f'<{second.json["next"]}>; rel="next", <{second.json["previous"]}>; rel="prev"'
    )


@pytest.mark.parametrize("log_id", ["0", "9" * 30, "-1", "x", "0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d"])
def test_an_entry_with_an_impossible_id_is_not_found(auditor, log_id):
    response = auditor.api.get(f"{LOGS}/{log_id}")

    assert (response.status, response.code) == (404, "not_found")


def test_the_trail_shows_each_changed_row_and_its_event(auditor, developer):
    change = RowChange(
        table_name="encryption_keys",
        record_id="the-object",
        action="update",
        old_values={"state": "active"},
        new_values={"state": "suspended", "at": database_now() - timedelta(days=1)},
    )
    entry = record_event(developer.principal.actor, changes=[change])

    response = auditor.api.get(f"{TRAIL}?table=encryption_keys&record=the-object")

    (row,) = response.json["results"]
    assert (row["event_id"], row["changed_by"]) == (str(entry.event_id), str(developer.user.id))
    assert (row["old_values"], row["new_values"]["state"]) == ({"state": "active"}, "suspended")
    assert row["changed_at"] == canonical.format_timestamp(entry.timestamp)
    assert (row.pop("integrity"), row.pop("actor_id")) == ("verified", None)
    digest = hashlib.sha256(canonical.encode({"version": 1, **row})).hexdigest()
    assert json.loads(entry.meta)["trail_sha256"] == [digest]


def test_a_developer_sees_only_the_rows_they_changed(developer, stranger):
    for persona in (developer, stranger):
        change = RowChange(table_name="t", record_id="the-object", action="insert", new_values={})
        record_event(persona.principal.actor, changes=[change])

    response = developer.api.get(f"{TRAIL}?record=the-object")

    assert {row["changed_by"] for row in response.json["results"]} == {str(developer.user.id)}
    assert AuditTrail.objects.filter(record_id="the-object").count() == 2


def test_refused_reading_is_itself_on_record(developer, recorded):
    developer.api.get(f"{LOGS}/{recorded[3].id}", X_Request_ID="look-for-this")

    entry = log_rows().get(request_id="look-for-this")
    assert (entry.action, entry.object_type, entry.object_id) == (
        "audit.log.read",
        "audit_log",
        str(recorded[3].id),
    )
    assert (entry.outcome, entry.code, entry.user_id) == (Outcome.DENIED, "not_found", developer.user.id)


@pytest.fixture
def shallow(monkeypatch):
    monkeypatch.setattr("audit.services.searching.SEARCH_DEPTH", 3)


@pytest.mark.parametrize("dates", ["", "&from=2020-01-01T00:00:00Z", "&to=2999-01-01T00:00:00Z"])
def test_a_search_stops_at_its_depth_and_next_goes_on_from_there(auditor, recorded, shallow, dates):
    """Also with dates: each response reads three ids, and together they read the whole log once."""
    url, found, lowest = f"{LOGS}?search=the-object{dates}", [], log_rows().latest("id").id + 1
    while url:
        response = auditor.api.get(url).json
        found += [entry["id"] for entry in response["results"]]
        if response["searched_above"] is not None:
            assert lowest - 3 <= response["searched_above"] + 1 < lowest
            lowest = response["searched_above"] + 1
        assert bool(response["next"]) == (response["searched_above"] is not None)
        assert bool(response["previous"]) == ("before=" in url)
        url = response["next"]

    assert found == [entry.id for entry in recorded][::-1]


def test_a_dated_search_begins_at_the_newest_entry_before_its_end(auditor, recorded, shallow):
    later = [record_event(auditor.principal.actor, object_id="the-object") for _ in range(4)]
    until = canonical.format_timestamp(log_rows().get(id=later[0].id).timestamp)
    since = canonical.format_timestamp(log_rows().get(id=recorded[-1].id).timestamp)

    response = auditor.api.get(f"{LOGS}?search=the-object&to={until}").json
    assert [entry["id"] for entry in response["results"]] == [entry.id for entry in recorded[:1:-1]]
    response = auditor.api.get(f"{LOGS}?search=the-object&from={since}&to={until}").json
    assert ([entry["id"] for entry in response["results"]], response["searched_above"]) == (
        [recorded[-1].id],
        None,
    )


def test_a_filter_without_words_searches_the_whole_log(auditor, recorded, shallow):
    response = auditor.api.get(f"{LOGS}?object=the-object").json

    assert (response["count"], response["searched_above"]) == (5, None)


@pytest.mark.parametrize("query", ["search=a-word", "request_id=an-id"])
def test_a_search_costs_more_of_the_budget_than_another_read(auditor, query, settings):
    settings.CC_THROTTLE_PRINCIPAL = "6000/day"  # not a second between the requests adds a unit

    def left(path):
        return int(auditor.api.get(path).headers["RateLimit"].split(";")[1].removeprefix("r="))

    before = left(f"{LOGS}?object=x")
    assert left(f"{LOGS}?{query}") == before - SEARCH_COST


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("request_id=the-request", 2),
        ("request_id=the-reques", 0),
        ("client_ip=2001:DB8:0::1", 2),
        ("client_ip=192.0.2.77", 1),
        ("client_ip=192.0.2.7", 0),
        ("client_ip=2001:db8::1&request_id=the-request", 1),
    ],
)
def test_entries_are_found_by_request_and_by_address(auditor, query, found):
    for request_id, client_ip in [
        ("the-request", "192.0.2.77"),
        ("the-request", "2001:db8::1"),
        ("other", "2001:db8::1"),
    ]:
        record_event(structs.replace(auditor.principal.actor, request_id=request_id, client_ip=client_ip))

    assert auditor.api.get(f"{LOGS}?{query}").json["count"] == found


def test_an_address_that_is_none_is_refused_by_its_name(auditor):
    response = auditor.api.get(f"{LOGS}?client_ip=example.org")
    assert (response.status, response.json["errors"]) == (400, {"client_ip": ["Enter an IP address."]})


def test_a_search_through_a_short_log_leaves_nothing_out(auditor, recorded):
    response = auditor.api.get(f"{LOGS}?search=the-object").json

    assert (response["count"], response["searched_above"]) == (5, None)
