"""A key that is disabled for a limited time enables itself, even if no process runs when the time ends."""

import html
import re
from datetime import datetime, timedelta
from itertools import product

import pytest
from django.db import transaction

from audit.log.events import Event, Outcome
from audit.sequencing.catching_up import catch_up
from audit.services.recording import record
from kernel.clock import database_now
from kernel.demo_clock import running_from
from kernel.errors import Invalid
from kernel.trust.row_mac import IntegrityFailed
from keys import schedule
from keys.deletion import services as deletion
from keys.errors import IllegalTransition, KeyNotActive
from keys.lifecycle import State, Status
from keys.models import Key
from keys.reading import services as reading
from keys.ring import keyring
from keys.rotation.services import rotating
from keys.states import services
from tests.browsing import plain, signed_in, text
from tests.factories import GrantFactory
from tests.keys.steps import schedule_deletion, succeed
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

MINUTE, TICK = timedelta(minutes=1), timedelta(microseconds=1)


@pytest.fixture
def suspend(admin):
    """Disable a key for a minute that began so long ago."""

    def begin(key, ago=timedelta()):
        with running_from(database_now() - ago):
            return services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=1)

    return begin


def stored(key):
    return Key.objects.get(pk=key.pk).check_mac()


@pytest.mark.parametrize("minutes", [0, 61, -1])
def test_a_test_lasts_one_to_sixty_minutes(admin, key, minutes):
    with pytest.raises(Invalid) as refusal:
        services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    assert refusal.value.fields == {"minutes": ["Must be 1 to 60 minutes."]}
    assert stored(key).state == State.ACTIVE


@pytest.mark.parametrize("minutes", [1, 60])
def test_its_end_is_in_the_row_and_in_the_log(admin, key, events_of, changes_of, minutes):
    before = database_now()
    changed = services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    assert minutes * MINUTE <= changed.resumes_at - before < (minutes + 1) * MINUTE
    assert (changed.state, stored(key).resumes_at) == (State.SUSPENDED, changed.resumes_at)
    event = events_of(key)[-1]
    [change] = changes_of(event)
    assert f'"resumes_at":"{change.new_values["resumes_at"]}"' in event.meta
    assert (change.old_values["resumes_at"], change.new_values["state"]) == (None, "suspended")


def test_the_cached_key_changes_at_the_exact_end(admin, key, suspend):
    end = suspend(key).resumes_at
    entry = keyring.find_current(key.id, admin.principal)
    with pytest.raises(KeyNotActive):
        entry.require_protect(end - TICK)
    assert entry.require_protect(end).number == entry.require_process(1, end).number == 1


def test_the_database_selects_keys_by_status_as_python_does(admin, new_key):
    now = database_now()
    times = (None, now - TICK, now, now + TICK)
    for number, (expires_at, resumes_at) in enumerate(product(times, times)):
        columns = {"state": State.SUSPENDED, "expires_at": expires_at, "resumes_at": resumes_at}
        new_key(name=f"key-{number}", columns=columns)
    keys = list(Key.objects.visible_to(admin.principal))
    for moment, status in product((now - TICK, now, now + TICK), Status):
        selected = set(Key.objects.with_status(status, moment).values_list("pk", flat=True))
        assert selected == {key.pk for key in keys if key.lifecycle_state(moment).status is status}


def test_the_schedule_records_the_end_once_and_then_the_expiry(new_key, suspend, let_time_pass, events_of):
    key, other = new_key(expires_at=database_now() + MINUTE), new_key()
    suspend(key, 2 * MINUTE)
    suspend(other)
    let_time_pass(key, expired=True)
    for _ in range(2):
        schedule.record_clock_changes()
    assert [event.action for event in events_of(key)[-3:]] == [
        "keys.key.disabled",
        "keys.key.enabled",
        "keys.key.expired",
    ]
    enabled = events_of(key)[-2]
    assert (enabled.actor_name, enabled.source) == ("record_clock_changes", "scheduler")
    assert '"reason":"scream test has ended"' in enabled.meta
    assert (stored(key).state, stored(key).resumes_at) == (State.ACTIVE, None)
    assert stored(key).expiry_recorded_at is not None
    assert stored(other).state == State.SUSPENDED


def test_enabling_ends_a_test_early(admin, key, suspend):
    suspend(key)
    services.enable_key(principal=admin.principal, key_id=key.id, reason="enough")
    assert (stored(key).state, stored(key).resumes_at) == (State.ACTIVE, None)


def test_a_running_test_cannot_be_replaced_but_an_ended_one_can(admin, key, suspend):
    suspend(key)
    for minutes in (None, 1):
        with pytest.raises(IllegalTransition):
            services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    services.enable_key(principal=admin.principal, key_id=key.id, reason="test")
    suspend(key, 2 * MINUTE)
    services.disable_key(principal=admin.principal, key_id=key.id, reason="for good")
    assert (stored(key).state, stored(key).resumes_at) == (State.SUSPENDED, None)


@pytest.mark.parametrize(("ago", "kept"), [(timedelta(), "suspended"), (2 * MINUTE, "active")])
def test_a_scheduled_deletion_keeps_no_end(admin, new_key, suspend, ago, kept):
    key = new_key()
    suspend(key, ago)
    schedule_deletion(admin, key)
    assert (stored(key).state_before_deletion, stored(key).resumes_at) == (kept, None)
    deletion.cancel_deletion(principal=admin.principal, key_id=key.id, reason="test")
    assert stored(key).lifecycle_state(database_now()).status is Status.DISABLED


def test_other_transitions_keep_no_end(admin, new_key, suspend):
    for compromised in (False, True):
        key = new_key()
        suspend(key)
        services.revoke_key(principal=admin.principal, key_id=key.id, reason="test", compromised=compromised)
        assert stored(key).resumes_at is None


def test_a_key_whose_test_has_ended_rotates_and_is_replaced_like_an_active_one(admin, key, suspend):
    suspend(key, 2 * MINUTE)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    assert stored(key).primary_version == 2
    succeed(admin, key)
    assert (stored(key).state, stored(key).resumes_at) == (State.DEACTIVATED, None)


def test_an_altered_end_is_noticed(admin, key, suspend):
    end = suspend(key).resumes_at
    for altered in (None, end - MINUTE):
        Key.objects.filter(pk=key.pk).update(resumes_at=altered)
        with pytest.raises(IntegrityFailed):
            reading.get_key(principal=admin.principal, key_id=key.id)


def test_the_end_of_a_suspension_needs_a_mac_that_covers_it(key):
    row = stored(key)
    row.state, row.resumes_at = State.SUSPENDED, database_now()
    with pytest.raises(IntegrityFailed):
        row.older_mac_fields(4)


def test_the_api_takes_minutes_and_shows_the_end(admin, key):
    path = f"/api/v1/keys/{key.id}"
    for minutes in (0, 61, "soon"):
        refused = admin.api.post(f"{path}/disable", {"reason": "test", "minutes": minutes})
        assert (refused.status, list(refused.json["errors"])) == (400, ["minutes"])
    changed = admin.api.post(f"{path}/disable", {"reason": "test", "minutes": 5})
    assert (changed.status, changed.json["status"]) == (200, "disabled")
    shown = admin.api.get(path).json
    assert shown["resumes_at"] == changed.json["resumes_at"] is not None
    enabled = admin.api.post(f"{path}/enable", {"reason": "test"})
    assert (enabled.json["status"], enabled.json["resumes_at"]) == ("active", None)


def deny(key, person, at, *, count=1, code="key_not_active"):
    """Record a refusal, as the fast path and the views do."""
    event = Event(
        action="crypto.message.encrypted",
        object_type="key",
        object_id=str(key.id),
        outcome=Outcome.DENIED,
        code=code,
        count=count,
    )
    with transaction.atomic():
        record(event, person.principal.actor, at=at)
    catch_up()


def report(reader, key):
    return reader.api.get(f"/api/v1/keys/{key.id}/scream-test")


def test_the_report_names_who_was_denied_during_the_test_and_after_its_end(
    admin, developer, stranger, new_key
):
    key = new_key(principal=developer.principal)
    GrantFactory(key=key, to=stranger.principal)
    began = database_now() - 10 * MINUTE
    with running_from(began):
        services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=5)
    began, end = stored(key).resumes_at - 5 * MINUTE, stored(key).resumes_at
    deny(key, developer, began - MINUTE)
    deny(key, developer, began + MINUTE)
    deny(key, developer, end + timedelta(seconds=5), count=4)  # repeats, which are recorded later
    deny(key, admin, began + 2 * MINUTE, count=2)
    deny(key, admin, end + MINUTE)
    schedule.record_clock_changes()
    found = report(admin, key).json
    assert (found["count"], found["callers_count"], found["is_running"]) == (7, 2, False)
    assert datetime.fromisoformat(found["until"]) == end
    assert abs(datetime.fromisoformat(found["since"]) - began) < MINUTE
    assert found["operations"] == [{"action": "crypto.message.encrypted", "count": 7}]
    assert [(each["name"], each["principal_type"], each["count"]) for each in found["callers"]] == [
        ("dora", "user", 5),
        ("ada", "user", 2),
    ]
    assert report(developer, key).json["callers"] == found["callers"]
    assert report(stranger, key).json == found | {"callers": None}


@pytest.mark.parametrize("end", ["enable", "revoke", "schedule-deletion"])
def test_the_report_of_an_aborted_test_ends_with_it(admin, key, end):
    services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=60)
    assert report(admin, key).json["is_running"]
    confirmed = {"confirm_name": key.name} if end == "schedule-deletion" else {}
    assert admin.api.post(f"/api/v1/keys/{key.id}/{end}", {"reason": "test"} | confirmed).status == 200
    found = report(admin, key).json
    assert (found["is_running"], found["count"]) == (False, 0)
    assert datetime.fromisoformat(found["until"]) <= database_now()


def test_a_suspension_without_an_end_has_no_report(admin, key):
    assert report(admin, key).status == 404
    order = {"principal": admin.principal, "key_id": key.id, "reason": "test"}
    for minutes in (60, None):
        services.disable_key(**order, minutes=minutes)
        services.enable_key(**order)
    assert report(admin, key).status == 404  # this suspension has no end


def test_the_report_does_not_exist_for_strangers(stranger, admin, key, suspend):
    suspend(key)
    assert report(stranger, key).status == 404


def test_the_page_starts_a_test_shows_its_end_and_ends_it(admin, key):
    browser = signed_in(admin)
    path = f"/keys/{key.name}/"
    for minutes in ("0", "61", "soon"):
        refused = browser.post(f"{path}disable", {"reason": "test", "minutes": minutes})
        assert refused.status_code == 422
        assert "minutes" in refused.context["form"].errors
    assert browser.post(f"{path}disable", {"reason": "test", "minutes": "60"}).status_code == 303
    page = plain(browser.get(path))
    assert re.search(
        r"Disabled until [-\d]{10} \d\d:\d\dZ \(in \w+ \w+\)\. Then the key enables itself\.", page
    )
    test = plain(browser.get(f"{path}scream-test"))
    assert re.search(r"The test began on [-\d]{10} \d\d:\d\dZ \(\w.*?\)\. No requests were denied\.", test)
    assert ">Enable now</a>" in text(browser.get(f"{path}settings/"))
    assert browser.post(f"{path}enable", {"reason": "test"}).status_code == 303
    assert "Disabled until" not in plain(browser.get(path))
    assert browser.post(f"{path}disable", {"reason": "test", "minutes": ""}).status_code == 303
    page = plain(browser.get(path))
    assert "Disabled until" not in page
    assert "Enable now" not in page
    assert "There is no scream test of this key to show." in plain(browser.get(f"{path}scream-test"))


def test_the_page_names_who_was_denied_and_links_to_their_entries(admin, developer, stranger, new_key):
    key = new_key(principal=developer.principal)
    GrantFactory(key=key, to=stranger.principal)
    with running_from(database_now() - timedelta(hours=3)):
        services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=5)
    deny(key, developer, stored(key).resumes_at - MINUTE, count=3)
    path, browser = f"/keys/{key.name}/scream-test", signed_in(admin)
    shown = browser.get(path)
    assert re.search(r"dora 3 [-\d]{10}", plain(shown))
    assert f'href="{path}"' in text(browser.get(f"/keys/{key.name}/"))
    link = html.unescape(re.search(r'<a href="([^"]+)">3 requests were denied</a>', text(shown))[1])
    denied = log_rows().get(outcome="denied")
    assert re.findall(r'id="entry-(\d+)"', text(browser.get(link))) == [str(denied.pk)]
    hidden = plain(signed_in(stranger).get(path))
    assert "3 requests were denied" in hidden
    assert "dora" not in hidden


def test_the_page_of_a_running_test_costs_at_most_twelve_queries(
    admin, developer, key, suspend, connection_queries, use
):
    suspend(key)
    use(key, developer, outcome="denied")
    deny(key, developer, database_now())
    browser = signed_in(admin)
    path = f"/keys/{key.name}/scream-test"
    browser.get(path)
    with connection_queries() as statements:
        assert "1 request was denied" in text(browser.get(path))
    assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) <= 12
