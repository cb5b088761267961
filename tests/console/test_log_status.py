"""Home, the log's page, the system's page and ``/health`` agree on whether the log is healthy."""

from datetime import timedelta

import pytest

from audit import actions
from audit.log.events import Actor, Event, Source
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.running import checkpoint_now
from audit.services.resolving import resolve_alarm
from audit.verification.findings import Result
from audit.verification.passes.steps import read_pass, verify_next
from ciphercanary import database_metrics
from kernel import runtime
from kernel.clock import database_now
from kernel.observability import metrics
from tests.audit.pages import text_of
from tests.audit.sequencing.log import altered
from tests.audit.verification.passes import run_pass
from tests.browsing import signed_in
from tests.conftest import append_only_triggers_off
from tests.console.conftest import alerts_on_home
from tests.endpoints import make_alarm
from tests.log_entries import log_rows, record_alone
from tests.tampering.writing import Log

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = Actor.system("test", Source.COMMAND)


@pytest.fixture
def responses(auditor):
    """``{page: whether it reports a healthy log}`` for a user who sees everything."""
    browser = signed_in(auditor)
    checkpoint_now()

    def ask():
        runtime.fresh()
        checks = {check.name: check.state for check in browser.get("/system/").context["system"].checks}
        items = alerts_on_home(browser)
        return {
            "home": not any("audit log" in item.text for item in items),
            "audit": browser.get("/audit/").context["log_status"].state == "good",
            "system": checks["Sequencer"] == checks["Audit log"] == "ok",
            "health": browser.get("/health").json()["status"] == "healthy",
        }

    return ask


def everywhere(word):
    return dict.fromkeys(("home", "audit", "system", "health"), word)


def audit_check(browser):
    checks = browser.get("/system/").context["system"].checks
    return next(each for each in checks if each.name == "Audit log")


def metric():
    database_metrics._measure_installation()  # without the deadline of a scrape
    return metrics.audit_last_pass_timestamp_seconds._value.get()


def aged(entries, by):
    """Backdate entries. They must have leaves already, or the sequencer would raise an alarm."""
    with append_only_triggers_off():
        for entry in entries:
            log_rows().filter(pk=entry.pk).update(timestamp=entry.timestamp - by)


def test_a_log_that_is_signed_is_well(responses):
    assert responses() == everywhere(True)


@pytest.mark.parametrize("has_place", [False, True], ids=["not-sequenced", "not-signed"])
def test_all_interfaces_report_an_unsequenced_or_unsigned_entry(has_place, responses):
    record_alone(Event(action="keys.key.created"), SYSTEM)
    newest = list(log_rows().order_by("-id")[:1])
    if has_place:
        sequence_step()
    aged(newest, timedelta(hours=1))
    assert responses() == everywhere(False)


def test_checkpoints_that_stop_hold_no_operation_up(auditor):
    browser = signed_in(auditor)
    checkpoint_now()
    record_alone(Event(action="keys.key.created"), SYSTEM)
    newest = list(log_rows().order_by("-id")[:1])
    sequence_step()
    aged(newest, timedelta(hours=1))
    [text] = [item.text for item in alerts_on_home(browser) if "Audit log entries" in item.text]
    assert text.endswith("to be sequenced and signed.")


def test_an_alarm_is_shown_everywhere_until_it_is_resolved(responses, admin):
    alarm = make_alarm()
    checkpoint_now()
    assert responses() == everywhere(False)
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a rehearsal")
    checkpoint_now()
    assert responses() == everywhere(True)
    altered("UPDATE audit_alarms SET reason = 'another'")  # a resolution that the application did not write
    assert responses() == everywhere(False)


def test_an_open_alarm_degrades_health_and_stops_nothing(admin):
    make_alarm()
    response = admin.api.get("/health")
    assert (response.status, response.json["status"]) == (200, "degraded")
    assert response.json["services"]["audit_alarms"] == "alarmed"
    assert admin.api.get("/readyz").status == 200


@pytest.mark.parametrize("result", [Result.ALTERED, Result.FAILED])
def test_a_last_full_verification_that_did_not_pass_needs_attention(result, auditor, developer):
    verified = Event(action=actions.LOG_VERIFIED, outcome="error", code=result, meta={"findings": 4})
    record_alone(verified, SYSTEM)
    checkpoint_now()
    browser, word = signed_in(auditor), "The last full verification"
    assert any(word in item.text for item in alerts_on_home(browser))
    assert browser.get("/audit/").context["log_status"].state == "unverified"
    check = audit_check(browser)
    assert (check.state, word in check.remedy) == ("warning", True)
    assert browser.get("/system/").context["system"].unhealthy_count
    page = signed_in(developer).get("/audit/")  # hidden from developers, whose badge is never green
    assert (page.context["log_status"].state, "badge-ok" in page.content.decode().split("<table")[0]) == (
        "good",
        False,
    )


def test_an_alteration_that_a_pass_finds_is_shown_everywhere(responses):
    run_pass()
    assert responses() == everywhere(True)
    altered("UPDATE audit_logs SET client_ip = 'x' WHERE id = 1")
    run_pass()
    runtime.fresh()
    assert responses() == everywhere(False)


def test_the_pages_the_api_and_the_metric_show_the_last_pass_and_the_current_one(
    auditor, developer, settings
):
    Log(seed=3).operate(300)
    checkpoint_now()
    browser = signed_in(auditor)

    def shown():
        runtime.fresh()
        verifications = auditor.api.get("/api/v1/audit/checkpoint").json["verifications"]
        return (
            text_of(browser.get("/audit/")),
            audit_check(browser).measured,
            verifications,
            metric(),
        )

    page, check, api, ended = shown()
    assert "The continuous verification has not finished its first pass yet." in page
    assert check.endswith("no full pass yet")
    assert (api["last_pass"], api["percent"], ended) == (None, None, 0)

    verify_next()
    page, check, api, _ = shown()
    percent = 256 * 100 // read_pass().end
    assert f"The current pass is at {percent}%." in page
    assert check.endswith(f"current pass at {percent}%")
    assert api["percent"] == percent

    run_pass()
    checkpoint_now()
    size = read_pass().size
    page, check, api, ended = shown()
    assert f"Last full pass of the continuous verification: {database_now():%Y-%m-%d}" in page
    assert f", {size} entries" in page
    assert check.endswith(": passed")
    assert {**api["last_pass"], "ended_at": ""} == {
        "ended_at": "",
        "result": "ok",
        "entries": size,
        "findings": 0,
    }
    assert (api["percent"], ended > 0) == (100, True)

    aged(log_rows().filter(action=actions.PASS_FINISHED), timedelta(hours=48))
    assert "overdue" not in audit_check(browser).remedy
    aged(log_rows().filter(action=actions.PASS_FINISHED), timedelta(hours=2))
    assert (audit_check(browser).state, "overdue" in audit_check(browser).remedy) == ("warning", True)

    settings.CC_LOG_VERIFICATION_HOURS = 0
    page, check, *_ = shown()
    assert "The continuous verification is off." in page
    assert check.endswith("continuous verification off")
    assert developer.api.get("/api/v1/audit/checkpoint").json["verifications"] is None
