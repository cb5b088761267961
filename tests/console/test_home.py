"""Home shows open problems only to users who may see or fix them, and nothing otherwise."""

import re
from datetime import timedelta
from functools import partial

import pytest

from audit.log.events import Actor, Event, Source
from audit.models import AuditBundle, AuditExport
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.usage.sums import Used
from console.home.views import FIRST_ALERTS
from kernel.clock import database_now, process_now
from keys.models import Key
from keys.states.services import disable_key, revoke_key
from tests.accounts.test_totp import enrol
from tests.audit.pages import links
from tests.browsing import signed_in
from tests.console.conftest import HTMX, alerts_on_home
from tests.endpoints import make_alarm
from tests.log_entries import log_rows, record_alone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("backed_up")]
SYSTEM = Actor.system("test", Source.COMMAND)
DAY = timedelta(days=1)


def texts(browser):
    return [alert.text for alert in alerts_on_home(browser)]


def make_due(key):
    Key.objects.filter(pk=key.pk).update(next_rotation_at=process_now() - DAY)


def test_home_without_alerts_shows_the_time_of_the_check(at_admin):
    content = at_admin.get("/home/").content.decode()
    assert "Nothing needs attention. Last checked <time" in content


def test_overdue_rotations_and_coming_expiries_are_named_and_linked(at_admin, admin, make_key):
    soon = process_now() + 3 * DAY
    make_due(make_key(admin, "one", rotation_period_days=90, expires_at=soon))
    make_key(admin, "two", expires_at=soon + DAY)
    make_key(admin, "later", expires_at=process_now() + 31 * DAY)
    assert [(alert.kind, alert.object.name, alert.action_url) for alert in alerts_on_home(at_admin)] == [
        ("key_rotation_overdue", "one", "/keys/one/rotate"),
        ("key_expiring", "one", "/keys/one/settings/"),
        ("key_expiring", "two", "/keys/two/settings/"),
    ]
    assert texts(at_admin)[0].startswith("Rotation of one has been overdue since ")


def test_the_link_of_a_kind_leads_to_the_keys_that_were_counted(at_admin, admin, make_key):
    """The most urgent ones are listed, in the order of their expiry."""
    for number, days in enumerate((29, 5, 4, 3, 31)):
        make_key(admin, f"key-{number}", expires_at=process_now() + days * DAY)
    page = at_admin.get("/home/")
    [group] = page.context["groups"]
    assert [alert.object.name for alert in group.alerts] == ["key-3", "key-2", "key-1"]
    assert "In total, 4 keys expire within 30 days." in page.content.decode()
    listed = at_admin.get(group.all_url).content.decode()
    assert [f"key-{number}" in listed for number in range(5)] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (disable_key, "disabled"),
        (revoke_key, "revoked"),
        (partial(revoke_key, compromised=True), "compromised"),
    ],
)
def test_home_shows_an_inactive_key_with_recent_denials(change, state, at_admin, admin, make_key, use):
    key = make_key(admin, "payments-db")
    use(key, outcome="denied")
    assert texts(at_admin) == []
    change(principal=admin.principal, key_id=key.id, reason="a rehearsal")
    assert texts(at_admin) == [f"payments-db is {state}, and requests with it were denied in the last hour."]
    assert "payments-db" in at_admin.get("/keys/?finding=denied").content.decode()


def test_the_use_of_a_pending_key_is_reported_and_an_old_refusal_is_not(at_admin, admin, make_key, use):
    use(make_key(admin, "coming", activates_at=process_now() + DAY), outcome="denied")
    old = make_key(admin, "old")
    use(old, outcome="denied", ago=timedelta(hours=2))
    disable_key(principal=admin.principal, key_id=old.id, reason="a rehearsal")
    assert texts(at_admin) == ["coming is pending, and requests with it were denied in the last hour."]


def test_no_key_that_developers_can_make_hides_a_revoked_one(at_admin, admin, make_key, use):
    for number in range(FIRST_ALERTS):
        use(make_key(admin, f"key-{number}", activates_at=process_now() + DAY), outcome="denied")
    revoked = make_key(admin, "last-by-name")
    use(revoked, outcome="denied")
    revoke_key(principal=admin.principal, key_id=revoked.id, reason="a rehearsal")
    assert texts(at_admin)[0].startswith("last-by-name is revoked")


def test_a_failed_job_is_reported_for_a_day(at_admin):
    now = database_now()
    job = AuditExport.objects.create(
        kind="audit_export", format="jsonl", status="failed", error_code="internal", finished_at=now
    )
    [alert] = alerts_on_home(at_admin)
    assert (alert.kind, alert.since, alert.action_url) == ("job_failed", now, f"/jobs/{job.id}/")
    AuditExport.objects.filter(pk=job.pk).update(finished_at=now - 2 * DAY)
    assert texts(at_admin) == []


def test_home_shows_an_alarm_of_the_log_to_roles_that_see_the_system(at_admin, auditor, developer):
    alarm = make_alarm()
    [alert] = alerts_on_home(at_admin)
    assert (alert.since, alert.action_url) == (alarm.raised_at, f"/audit/alarms/{alarm.id}/resolve")
    assert alerts_on_home(signed_in(auditor))[0].action_url == "/audit/alarms/"
    assert not [each for each in texts(signed_in(developer)) if "alarm" in each]


def test_a_sequencer_that_falls_behind_is_reported(at_admin, settings):
    record_alone(Event(action="keys.key.created"), SYSTEM)
    assert AuditBundle.objects.exists()
    settings.CC_AUDIT_LAG_LIMIT = 0
    assert (
        "to be sequenced and signed. The server rejects operations until it catches up." in texts(at_admin)[0]
    )


def test_a_full_disk_is_reported(at_admin, monkeypatch):
    monkeypatch.setattr("console.checks.LEAST_FREE_BYTES", 1 << 62)
    assert texts(at_admin)[0].startswith("The data folder is nearly full: ")


def test_home_shows_a_developer_alerts_of_their_own_keys_alone(developer, admin, make_key, use):
    make_due(make_key(admin, "not-his", rotation_period_days=90))
    make_due(make_key(developer, "his", rotation_period_days=90))
    use(make_key(admin, "not-his-either"), 1000)
    page = signed_in(developer).get("/home/")
    [[alert]] = [group.alerts for group in page.context["groups"]]
    assert (alert.object.name, alert.action_url) == ("his", "/keys/his/")
    assert "not-his" not in page.content.decode()
    assert (page.context["facts"].keys.active, page.context["facts"].used.allowed) == (1, 0)


def test_home_recommends_a_second_factor_to_a_user_without_a_checklist(operator):
    browser = signed_in(operator)
    assert not browser.get("/home/").context["steps"]
    assert texts(browser) == [
        "Your account has no second factor. Anyone with your password can sign in as you."
    ]


def test_home_does_not_recommend_a_second_factor_to_a_user_who_has_one(auditor):
    browser = signed_in(auditor)
    enrol(auditor)
    again = auditor.user
    again.refresh_from_db()
    browser.force_login(again)
    assert texts(browser) == []


def test_the_figures_are_those_of_the_last_24_hours(at_admin, admin, make_key, use):
    key = make_key(admin, "payments-db")
    make_key(admin, "gone-by", expires_at=process_now() + DAY)
    Key.objects.filter(name="gone-by").update(expires_at=process_now() - DAY)
    use(key, 20)
    use(key, 3, outcome="denied")
    use(key, 1000, ago=timedelta(hours=25))
    facts = at_admin.get("/home/").context["facts"]
    assert (facts.keys.active, facts.used) == (1, Used(20, 3, 0))


def test_the_refresh_is_a_part_that_leaves_the_log_alone(at_admin, django_assert_max_num_queries):
    headers = {**HTMX, "HX-Target": "home-now"}
    content = at_admin.get("/home/", headers=headers).content.decode()
    assert content.strip().startswith('<div id="home-now"')
    assert "data-auto-refresh" in content
    assert "Latest events" not in content


def test_the_newest_events_are_shown(at_admin):
    newest = log_rows().order_by("-id").first()
    assert f"/audit/{newest.id}/" in at_admin.get("/home/").content.decode()


def test_home_shows_the_hours_of_the_day_and_its_busiest_keys_and_callers(
    at_admin, admin, developer, make_key, use
):
    for number in range(6):
        use(make_key(admin, f"key-{number}"), 10 * number + 1, by=admin)
    use(make_key(admin, "at-night"), 500, by=developer, ago=timedelta(hours=3))
    use("nobody-has-this", 40, outcome="denied")
    page = at_admin.get("/home/")
    chart, busiest = page.context["chart"], page.context["busiest"]
    assert [column.allowed for column in chart.columns if column.total] == [500, 156]
    assert [row.name for row in busiest.by_key] == ["at-night", "key-5", "key-4", "", "key-3"]
    assert [(row.name, row.used.total) for row in busiest.by_caller] == [
        (developer.user.username, 500),
        ("ada", 156),
        ("", 40),
    ]
    assert {"/keys/key-5/", busiest.by_caller[0].log_url} <= set(links(page))


def test_home_shows_a_developer_the_callers_of_the_keys_that_they_created(admin, developer, make_key, use):
    use(make_key(admin, "not-theirs"), 1000, by=admin)
    use(make_key(developer, "theirs"), 7, by=admin)
    page = signed_in(developer).get("/home/")
    busiest = page.context["busiest"]
    assert [row.name for row in busiest.by_key] == ["theirs"]
    assert [(row.name, row.used.total, row.log_url) for row in busiest.by_caller] == [("ada", 7, "")]
    assert "Audit log and backups" not in page.content.decode()


def test_home_shows_the_state_of_the_log_and_of_the_backups(at_admin, auditor):
    sequence_step()
    sign_checkpoint()
    content = signed_in(auditor).get("/home/").content.decode()
    state = content[content.index("Audit log and backups") :]
    assert re.search(r"<dt>Last signed</dt><dd><time[^>]*>[^<]*</time> \(just now\)</dd>", state)
    assert re.search(r"<dt>Last backup</dt><dd><time[^>]*>[^<]*</time> \(just now\)</dd>", state)
    assert "The log has not been fully verified yet." in state
    make_alarm()
    assert re.search(
        r'<dt>Verification</dt><dd><a href="/audit/alarms/">1 open alarm</a>',
        at_admin.get("/home/").content.decode(),
    )
