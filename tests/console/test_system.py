"""The page of the system shows the state of each check, and a remedy for each problem."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from audit import actions
from audit.log.events import Actor, Event, Source
from audit.models import AuditExport
from audit.sequencing.running import checkpoint_now
from console.checks import check_backup, check_drill
from console.system import services as console_system
from demo import actions as demo_actions
from kernel import installation
from kernel.clock import database_now, process_now
from kernel.trust import kek
from kernel.trust.models import KeyEncryptionKey
from tests.browsing import signed_in
from tests.console.conftest import HTMX, alerts_on_home
from tests.endpoints import make_alarm
from tests.log_entries import record_alone

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = Actor.system("test", Source.COMMAND)


def checks(browser, **headers):
    system = browser.get("/system/", headers=headers).context["system"]
    return {check.name: check for check in system.checks}


@pytest.mark.usefixtures("backed_up")
def test_a_healthy_system_is_well_everywhere(at_admin, monkeypatch):
    monkeypatch.setattr(console_system, "SKEW_SECONDS", 3600.0)  # the test may pause between two clocks
    monkeypatch.setattr("console.checks.LEAST_FREE_BYTES", 0)
    monkeypatch.setattr("console.checks.LEAST_FREE_SHARE", 0)
    checkpoint_now()
    found = checks(at_admin)
    assert {name for name, check in found.items() if check.state not in {"ok", "off"}} == set()
    assert "last checkpoint " in found["Sequencer"].measured


def test_the_page_holds_no_secret(at_admin, settings):
    content = at_admin.get("/system/").content.decode()
    assert all(path.read_text().strip() not in content for path in kek.ring_files())
    for name in ("SECRET_KEY", "REDIS_URL"):
        assert not getattr(settings, name) or getattr(settings, name) not in content
    assert (
        connection.settings_dict.get("PASSWORD", "") == ""
        or connection.settings_dict["PASSWORD"] not in content
    )


def test_the_key_encryption_keys_are_listed_with_the_primary(at_admin):
    [shown] = at_admin.get("/system/").context["system"].keks.all
    assert (shown.id, shown.is_primary, shown.is_open) == (KeyEncryptionKey.objects.get().id, True, True)


def test_a_key_encryption_key_that_is_missing_is_named(at_admin):
    KeyEncryptionKey.objects.create(id="0123abcd", sentinel=b"x")
    check = checks(at_admin)["Key-encryption keys"]
    assert (check.state, check.measured) == ("bad", "unavailable: 0123abcd")


def test_a_migration_that_is_missing_is_counted(at_admin):
    row = MigrationRecorder.Migration.objects.filter(app="keys").latest("id")
    row.delete()
    check = checks(at_admin)["Migrations"]
    row.save()
    assert (check.state, check.measured, check.command) == ("bad", "1 not applied", "bin/serve")


def test_an_alarm_is_counted_with_the_command_that_verifies(at_admin):
    make_alarm()
    check = checks(at_admin)["Audit log"]
    assert (check.state, check.command) == ("bad", "bin/manage verify_audit_log")
    assert check.measured.startswith("1 open alarm, latest ")


def test_a_sequencer_that_is_behind_shows_which_command_runs_it(at_admin, settings):
    record_alone(Event(action="keys.key.created"), SYSTEM)
    settings.CC_AUDIT_LAG_LIMIT = 0
    check = checks(at_admin)["Sequencer"]
    assert (check.state, check.command) == ("bad", "bin/manage run_sequencer")


@pytest.mark.parametrize(
    ("broker", "command"), [("", "bin/manage run_worker"), ("redis://x", installation.WORKER)]
)
def test_a_job_that_no_one_takes_shows_that_no_worker_runs(broker, command, at_admin, settings):
    settings.CELERY_BROKER_URL = broker
    AuditExport.objects.create(
        kind="audit_export", format="jsonl", due_at=database_now() - timedelta(minutes=5)
    )
    check = checks(at_admin)["Job worker"]
    assert (check.state, check.command) == ("bad", command)
    assert check.measured.startswith("1 due, 0 running; oldest waiting since")


def test_a_proxy_that_is_not_trusted_is_seen(at_admin):
    assert checks(at_admin, X_Forwarded_For="192.0.2.1")["TLS and proxy"].state == "warning"


@pytest.mark.parametrize(
    "beyond",
    [
        {"CC_BIND": "0.0.0.0"},  # noqa: S104 - the finding
        {"CC_PUBLIC_URL": "http://keys.example.org"},
        {"CC_TRUSTED_PROXIES": 1},
    ],
)
def test_plain_http_is_a_warning_beyond_this_machine_and_neutral_on_it(at_admin, settings, beyond):
    settings.CC_BIND, settings.CC_PUBLIC_URL = "127.0.0.1", "http://localhost:8000"
    alone = checks(at_admin)["TLS and proxy"]
    assert (alone.state, alone.remedy) == ("off", "")
    for name, value in beyond.items():
        setattr(settings, name, value)
    check = checks(at_admin)["TLS and proxy"]
    assert check.state == "warning"
    assert "without encryption" in check.remedy


def test_little_room_on_the_disk_is_bad_and_not_much_a_warning(at_admin, monkeypatch):
    monkeypatch.setattr("console.checks.LEAST_FREE_SHARE", 2)
    assert checks(at_admin)["Data folder disk"].state == "warning"
    monkeypatch.setattr("console.checks.LEAST_FREE_BYTES", 1 << 62)
    assert checks(at_admin)["Data folder disk"].state == "bad"


def test_the_last_backup_is_shown_and_its_command_before_the_first(at_admin):
    first = checks(at_admin)["Backup"]
    assert (first.state, first.measured, first.command) == ("warning", "none yet", "bin/manage backup DIR")
    record_alone(Event(action=actions.BACKUP_CREATED), SYSTEM)
    check = checks(at_admin)["Backup"]
    assert (check.state, check.measured.startswith("last one 2")) == ("ok", True)


@pytest.mark.parametrize(("days", "state"), [(35, "ok"), (36, "warning"), (None, "warning")])
def test_a_restore_drill_is_current_for_35_days(days, state):
    now = process_now()
    assert check_drill(None if days is None else now - timedelta(days=days), now).state == state


@pytest.mark.parametrize(
    ("age", "state"), [(timedelta(hours=26), "ok"), (timedelta(hours=26, seconds=1), "warning")]
)
def test_a_backup_is_current_for_26_hours(age, state):
    now = process_now()
    assert check_backup(now - age, now).state == state


def test_home_reports_what_the_system_page_recommends_about_copies(admin, auditor, developer):
    new = {"backup_late", "kek_copy_unproved"}
    for persona, expected in ((admin, new), (auditor, new), (developer, set())):
        assert {alert.kind for alert in alerts_on_home(signed_in(persona))} & new == expected
    record_alone(Event(action=actions.BACKUP_CREATED), SYSTEM)
    found = alerts_on_home(signed_in(admin))
    assert {alert.kind for alert in found} & new == {"kek_copy_unproved"}


def test_clocks_that_differ_are_seen(at_admin, monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has this process's clock")
    monkeypatch.setattr("console.system.services.SKEW_SECONDS", -1.0)
    check = checks(at_admin)["Database (PostgreSQL)"]
    assert (check.state, check.command) == ("warning", "timedatectl status")


def test_redis_that_is_away_is_bad(at_admin, settings):
    settings.REDIS_URL = ""
    assert checks(at_admin)["Redis"].state == "off"


def test_the_refresh_is_the_part_with_the_checks(at_admin):
    content = at_admin.get("/system/", headers={**HTMX, "HX-Target": "system-now"}).content.decode()
    assert content.strip().startswith('<div id="system-now"')
    assert "Versions" not in content


def test_health_and_the_page_show_the_same(at_admin, settings):
    record_alone(Event(action="keys.key.created"), SYSTEM)
    settings.CC_AUDIT_LAG_LIMIT = 0
    assert at_admin.get("/health").json()["services"]["sequencer"] == "unhealthy"
    assert checks(at_admin)["Sequencer"].state == "bad"


def test_a_demo_instance_is_shown_as_one_and_an_incomplete_one_with_a_remedy(at_admin):
    assert "Demo instance" not in checks(at_admin)
    record_alone(Event(action=demo_actions.DEMO_STARTED), SYSTEM)
    incomplete = checks(at_admin)["Demo instance"]
    assert incomplete.state == "warning"
    assert "Use a new one" in incomplete.remedy
    record_alone(Event(action=demo_actions.DEMO_LOADED), SYSTEM)
    assert checks(at_admin)["Demo instance"].state == "ok"
