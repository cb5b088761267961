"""The list of the log: filters, chips, keyset pages, and live updates."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import actions
from audit.log.events import Actor, Outcome
from audit.models import AuditCheckpoint, AuditLog
from audit.sequencing.running import checkpoint_now
from audit.services import searching
from audit.views import events
from kernel.clock import database_now
from kernel.templatetags.pages import grouped
from tests.audit.pages import ids, links, part, record_event, spelled, text_of
from tests.browsing import signed_in
from tests.conftest import append_only_triggers_off
from tests.endpoints import make_alarm
from tests.factories import KeyFactory
from tests.log_entries import log_rows
from tests.tampering.alterations import alterations

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("rotate_keys", "command")


@pytest.fixture
def browser(auditor):
    return signed_in(auditor)


@pytest.fixture
def recorded(developer):
    """Four entries that differ in the columns that can be filtered."""
    actor = developer.principal.actor
    return {
        "rotated": record_event(actor, "keys.key.rotated", object_type="key", object_id="a-key"),
        "denied": record_event(actor, "keys.key.rotated", outcome=Outcome.DENIED, code="permission_denied"),
        "scheduled": record_event(SYSTEM, "keys.key.rotated"),
        "other": record_event(SYSTEM, "keys.key.disabled", meta={"reason": "a rehearsal"}),
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("actor=dora&action=keys.key.rotated", ["denied", "rotated"]),
        ("action=keys.key.disabled", ["other"]),
        ("object=a-key", ["rotated"]),
        ("outcome=denied", ["denied"]),
        ("source=command", ["other", "scheduled"]),
        ("actor_type=system&action=keys.key.rotated", ["scheduled"]),
        ("search=rehearsal", ["other"]),
        ("search=actor:dora+result:denied", ["denied"]),
        ("search=action:keys.key.rotated+source:command", ["scheduled"]),
        ("search=type:system+rehearsal", ["other"]),
        ("search=object:a-key+after:2020-01-01", ["rotated"]),
        ("search=ip:192.0.2.200", []),
        ("search=request:no-such-request", []),
        ("search=before:2020-01-01", []),
        ("action=keys.key.disabled&period=1h", ["other"]),
        ("from=2999-01-01", []),
        ("to=2020-01-01+00:00", []),
        ("action=keys.key.disabled&search=action:keys.key.disabled", ["other"]),
    ],
)
def test_the_list_shows_what_meets_every_filter(browser, recorded, query, names):
    assert ids(browser.get(f"/audit/?{query}")) == [recorded[name].id for name in names]


def test_a_row_shows_what_was_done_in_words(browser, recorded):
    response = browser.get("/audit/?outcome=denied")
    assert "Rotate key — denied" in text_of(response)
    assert 'title="keys.key.rotated"' in response.content.decode()


def test_a_developer_sees_their_own_actions_and_no_words_of_others(developer, recorded):
    response = signed_in(developer).get("/audit/")
    content = response.content.decode()
    assert {recorded["rotated"].id, recorded["denied"].id} <= set(ids(response))
    assert "keys.key.disabled" not in content
    assert "known-actors" not in content.replace('list="known-actors"', "")
    assert "Export these results" not in content


def test_actions_are_offered_in_groups_as_they_occur_in_the_log(browser, recorded):
    content = browser.get("/audit/?action=never.heard.of&more=1").content.decode()
    assert '<optgroup label="keys.key">' in content
    assert '<option value="keys.key.disabled">' in content
    assert '<option value="never.heard.of" selected>' in content


def test_more_filters_are_shown_on_request_and_kept_while_they_are_hidden(browser, developer, recorded):
    hidden = browser.get("/audit/?action=keys.key.disabled&actor=dora").content.decode()
    assert "optgroup" not in hidden
    for kept in ('name="action" value="keys.key.disabled"', 'name="actor" value="dora"'):
        assert f'<input type="hidden" {kept}>' in hidden
    assert "/audit/?actor=dora&action=keys.key.disabled&more=1" in links(
        browser.get("/audit/?action=keys.key.disabled&actor=dora")
    )
    shown = part(browser, "/audit/?more=1&actor=dora", "more-filters").content.decode()
    assert 'value="dora"' in shown
    assert '<input type="hidden" name="actor"' not in shown
    assert "<table" not in shown
    assert "known-actors" not in part(signed_in(developer), "/audit/?more=1", "more-filters").content.decode()


def test_the_names_of_keys_are_suggested_to_who_may_see_them(browser, developer, admin):
    for name in ("payments-db", "payouts", "vault"):
        KeyFactory(name=name)
    assert re.findall(
        'value="([^"]+)"', part(browser, "/audit/?object=Pay", "known-keys").content.decode()
    ) == [
        "payments-db",
        "payouts",
    ]
    assert "payouts" not in part(signed_in(developer), "/audit/?object=pay", "known-keys").content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/audit/?object=%00",
        "/audit/?object=name:%00",
        "/audit/?search=%00",
        "/audit/?search=%22%22",
        "/audit/?search=%5C%5B%28%2Aabc",
    ],
)
def test_unusual_text_is_no_name(browser, path):
    assert browser.get(path).status_code in {200, 422}
    assert part(browser, path, "known-keys").status_code == 200


def test_a_search_for_a_name_offers_its_events_alone(browser, admin):
    KeyFactory(name="payments-db")
    hint = "payments-db is the name of a key or user. Show only its events"
    response = browser.get("/audit/?search=payments-db+created")
    assert hint in text_of(response)
    assert "/audit/?object=payments-db&search=created" in links(response)
    alone = browser.get("/audit/?object=payments-db&search=created")
    assert ids(alone)
    assert hint not in text_of(alone)


def test_a_name_that_no_visible_object_has_is_named_as_the_cause(browser, stranger, admin, recorded):
    KeyFactory(name="payments-db")
    hint = "No key or user that you can see has the name “{}”. Check the spelling."
    for name in ("payments-db", "no-such-key"):
        assert hint.format(name) in text_of(signed_in(stranger).get(f"/audit/?object={name}"))
    assert "No key or user" not in text_of(browser.get("/audit/?object=payments-db&outcome=denied"))


def test_each_filter_has_a_chip_that_leads_to_the_list_without_it(browser, recorded):
    response = browser.get("/audit/?search=actor:dora+words&outcome=denied&period=7d")
    assert "Actor: dora" in text_of(response)
    assert "Period: Last 7 days" in text_of(response)
    addresses = links(response)
    assert "/audit/?search=words&outcome=denied&period=7d" in addresses
    assert "/audit/?actor=dora&outcome=denied&period=7d" in addresses
    assert "/audit/?search=words&actor=dora&outcome=denied" in addresses


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=yesterday", "From (UTC): Enter a UTC time, such as 2026-11-01 or 2026-11-25T14:05."),
        ("search=after:yesterday", "after: Enter a UTC time, such as 2026-11-01 or 2026-11-25T14:05."),
        ("search=result:perhaps", "result: Select a valid choice."),
        ("search=ip:example.org", "ip: Enter an IP address."),
        ("search=actor:ada+actor:dora", "actor: this filter has two different values. Use one."),
        ("from=2026-02-01&to=2026-01-01", "To (UTC): The end time must not be before the start time."),
        ("from=0001-01-01T00:00%2B14:00", "From (UTC): Enter a year from 1 to 9999."),
    ],
)
def test_a_bad_filter_is_reported_and_lists_nothing(browser, recorded, query, message):
    response = part(browser, f"/audit/?{query}", "log-results")
    assert (response.status_code, response["HX-Push-Url"]) == (422, "false")
    assert message in text_of(response)
    assert ids(response) == []
    assert "/audit/" in links(response)  # to clear the filters


def test_a_bad_date_is_marked_at_its_field_and_lists_nothing_without_scripts(browser, recorded):
    response = browser.get("/audit/?from=yesterday&action=keys.key.disabled")
    assert 'aria-invalid="true"' in response.content.decode()
    assert "Enter a UTC time" in text_of(response)
    assert ids(response) == []
    assert "No events" not in text_of(response)
    assert not [link for link in links(response) if "live=1" in link or "export/new" in link]


def test_typed_qualifiers_move_from_the_search_to_their_fields(browser, recorded):
    search = "/audit/?shown_period=&search=actor:dora+result:ok+rotated"
    content = part(browser, search, "log-results").content.decode()
    assert re.findall('hx-swap-oob="innerHTML:#field-([a-z]+)"', content) == ["search", "outcome"]
    assert '<option value="ok" selected>' in content
    assert re.search('name="search" value="rotated"', content)
    carried = content.split('<span hx-swap-oob="innerHTML:#carried-filters">')[1]
    assert carried.startswith('<input type="hidden" name="actor" value="dora">')
    shown = part(browser, f"{search}+action:test.thing.done&more=1", "log-results").content.decode()
    assert {"actor", "action"} < set(re.findall('hx-swap-oob="innerHTML:#field-([a-z]+)"', shown))
    assert 'name="actor" value="dora"' in shown
    assert '<option value="test.thing.done" selected>' in shown
    untouched = part(browser, "/audit/?search=rotated&actor=dora&period=1h", "log-results").content.decode()
    assert 'name="search"' not in untouched  # the user may be typing
    assert (
        '<input type="hidden" id="shown-period" name="shown_period" value="1h" hx-swap-oob="true">'
        in untouched
    )


def test_a_filter_changes_the_address_to_what_can_be_shared(browser, recorded):
    response = part(browser, "/audit/?search=actor:dora&action=&source=", "log-results")
    assert response["HX-Push-Url"] == "/audit/?actor=dora"
    assert ids(response) == ids(browser.get(response["HX-Push-Url"]))


@pytest.mark.parametrize("period", ["", "&period=1h"])
def test_load_more_goes_on_by_key_until_the_end(browser, monkeypatch, period):
    monkeypatch.setattr(events, "LIMIT", 10)
    written = [record_event(SYSTEM, "test.many.done").id for _ in range(25)][::-1]
    address, seen, pages = f"/audit/?action=test.many.done{period}", [], 0
    response = browser.get(address)
    while True:
        seen, pages = seen + ids(response), pages + 1
        if "Load 50 more" not in text_of(response):
            break
        further = next(url for url in links(response) if "before=" in url)
        response = part(browser, further, "more-entries")
        assert "<table" not in response.content.decode()
    assert (seen, pages) == (written, 3)


def test_the_status_counts_the_entries_shown_and_their_events(browser, monkeypatch):
    oldest = record_event(SYSTEM, "test.many.done").id
    record_event(SYSTEM, "test.many.done", count=3)
    single, all_of_them = (
        "/audit/?action=test.many.done&before=" + str(oldest + 1),
        "/audit/?action=test.many.done",
    )
    assert status_of(browser.get(single)) == f"1 entry older than entry {grouped(oldest + 1)}"
    assert status_of(browser.get(all_of_them)) == "4 events in 2 entries"
    monkeypatch.setattr(events, "LIMIT", 1)
    first = browser.get(all_of_them)
    assert status_of(first) == "The latest 1 entry (3 events)"
    more = text_of(part(browser, further_of(first), "more-entries"))
    assert f"1 more entry, back to entry {spelled(oldest)}" in more


def status_of(response):
    return re.search(r'id="log-status"[^>]*>\s*([^<]*?)\s*<', response.content.decode())[1]


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 30, "\u0661"])
def test_an_invalid_position_shows_the_newest_page(browser, recorded, before):
    assert ids(browser.get("/audit/", {"before": before})) == ids(browser.get("/audit/"))


def test_nothing_is_counted_in_the_log(browser, recorded):
    with CaptureQueriesContext(connection) as statements:
        browser.get("/audit/?search=rehearsal")
    assert not [each["sql"] for each in statements if "COUNT" in each["sql"] and "audit_logs" in each["sql"]]


def test_a_search_shows_how_far_it_looked_and_offers_more(browser, recorded, monkeypatch):
    every = ids(browser.get("/audit/?search=keys.key.rotated"))
    monkeypatch.setattr(searching, "SEARCH_DEPTH", 2)
    response = browser.get("/audit/?search=keys.key.rotated&period=30d")
    assert "This search stopped at entry" in text_of(response)
    found, further = ids(response), further_of(response)
    while further:
        response = part(browser, further, "more-entries")
        found, further = found + ids(response), further_of(response)
    assert found == every


def further_of(response):
    return next((link for link in links(response) if "before=" in link), None)


def test_an_empty_result_offers_a_longer_period(browser, recorded):
    response = browser.get("/audit/?search=no-such-word&period=1h")
    assert "No events match all of these filters in this period." in text_of(response)
    assert "/audit/?search=no-such-word&period=30d" in links(response)


def test_following_shows_each_entry_once_when_it_has_its_place(browser, recorded):
    checkpoint_now()
    first = browser.get("/audit/?action=test.late.done&live=1")
    address = unescape(re.search(r'id="log-live"[^>]*hx-get="([^"]*)"', first.content.decode())[1])
    record_event(SYSTEM, "test.late.done")
    second = record_event(SYSTEM, "test.late.done")
    arrived = part(browser, address, "log-live")
    assert ids(arrived)[0] == second.id
    assert len(ids(arrived)) == 2
    assert "2 new events." in text_of(arrived)
    address = unescape(re.search(r'id="log-live"[^>]*hx-get="([^"]*)"', arrived.content.decode())[1])
    again = part(browser, address, "log-live")
    assert (ids(again), "log-status" in again.content.decode()) == ([], False)


def test_following_ends_once_the_page_is_long(browser, recorded):
    response = part(browser, "/audit/?live=1&above=0&shown=500", "log-live")
    assert "hx-trigger" not in response.content.decode()
    assert "Live updates are paused because the list is long." in text_of(response)


def test_without_scripts_following_is_a_link_to_the_page_itself(browser, recorded):
    assert "/audit/?live=1" in links(browser.get("/audit/"))
    assert links(browser.get("/audit/?live=1")).count("/audit/?live=1") == 1


def test_the_list_shows_how_far_the_log_is_signed(browser, recorded):
    assert "Not signed yet" in text_of(browser.get("/audit/"))
    size = checkpoint_now().size
    text = text_of(browser.get("/audit/"))
    assert f"Entries 1 to {size} signed" in text
    assert "The log has not been fully verified yet." in text


@pytest.mark.parametrize("path", ["/audit/", "/system/"])
def test_a_page_shows_that_the_record_of_the_last_verification_was_altered(browser, recorded, path):
    record_event(SYSTEM, actions.LOG_VERIFIED)
    newest = log_rows().latest("id").id
    for alteration in (*alterations(AuditLog, "count"), *alterations(AuditLog, "timestamp")):
        with alteration.made(newest):
            assert "unknown: its record was altered" in text_of(browser.get(path)), alteration


def test_the_list_shows_that_the_sequencer_is_behind(browser, recorded, settings):
    checkpoint_now()
    record_event(SYSTEM)
    settings.CC_AUDIT_LAG_LIMIT = 0
    assert "The sequencer is behind." in text_of(browser.get("/audit/"))


def test_the_list_shows_alarms_to_readers_of_the_whole_log(browser, developer, recorded):
    checkpoint_now()
    make_alarm()
    response = browser.get("/audit/")
    assert "1 open alarm, latest" in text_of(response)
    assert "/audit/alarms/" in links(response)
    for word in ("alarm", "verification"):
        assert word not in text_of(signed_in(developer).get("/audit/"))


def test_the_list_shows_that_a_checkpoint_does_not_hold(browser, recorded):
    size = checkpoint_now().size
    with append_only_triggers_off():
        AuditCheckpoint.objects.filter(size=size).update(note="nobody has signed this")
    assert "The latest checkpoint is not valid." in text_of(browser.get("/audit/"))


def test_times_are_within_the_period(browser, recorded):
    old = database_now() - timedelta(days=3)
    assert log_rows().filter(timestamp__lt=old).count() == 0
    assert ids(browser.get(f"/audit/?to={old:%Y-%m-%dT%H:%M}")) == []


def test_too_many_words_are_refused(browser, auditor, recorded):
    words = [f"word{number}" for number in range(9)]
    response = browser.get("/audit/", {"search": " ".join(words)})
    assert "Use at most 8 different words." in text_of(response)
    refused = auditor.api.get(f"/api/v1/audit/logs?search={'+'.join(words)}")
    assert (refused.status, list(refused.json["errors"])) == (400, ["search"])
    assert auditor.api.get(f"/api/v1/audit/logs?search={'+'.join(words[:8] * 2)}").status == 200


def test_the_page_reports_an_unknown_qualifier(browser, recorded):
    page = text_of(browser.get("/audit/?search=actr:dora"))
    assert "because they are not filters: actr:. Available filters: actor:, type:, action:" in page
    assert "The search treated these as words" not in text_of(
        browser.get("/audit/?search=nothing-of-the-kind")
    )


def test_the_key_of_an_entry_is_a_link_to_it(browser, developer, stranger, admin):
    key = KeyFactory(name="payments-db")
    entry = record_event(stranger.principal.actor, object_type="key", object_id=str(key.id))
    for path in ("/audit/", f"/audit/{entry.id}/", "/home/"):
        assert "/keys/payments-db/" in links(browser.get(path))
        assert "payments-db" not in signed_in(stranger).get(path).content.decode()
