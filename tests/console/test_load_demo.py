"""``bin/manage load_demo`` gives an empty instance a history that verifies, and refuses any other instance."""

import io
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import get_args

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from msgspec.structs import replace

from accounts.errors import SessionEnded
from accounts.models import ServiceToken, TokenFamily, User
from accounts.principals import Principal
from audit.actions import PASS_FINISHED
from audit.log.events import Event, Source
from audit.models import AuditCheckpoint, AuditExport, UsageRollup
from audit.sequencing.catching_up import catch_up
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from canaries.documents import Kind
from canaries.sealed.store import read_incidents, read_set
from demo import actions as demo_actions
from demo import data as demo_data
from demo import services as demo
from demo.data import KEYS
from demo.instance import demo_state
from demo.schedule import StepKind
from demo.users import DemoUsers
from kernel.clock import database_now, process_now
from kernel.jobs.job import Status
from keys.models import Key, KeyGrant, TransitKey
from keys.models.transit import entered_name
from notifications.models import Webhook
from tests.accounts.test_totp import Authenticator
from tests.audit.sequencing.log import altered
from tests.audit.verification.passes import alarms, run_pass
from tests.browsing import plain
from tests.factories import KeyFactory
from tests.log_entries import log_rows, record_alone
from tests.personas import make_persona

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

DAYS = timedelta(days=2)
FEW_CALLS = 4


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Limit the demo to the keys with a fate, one rotated key and the decoys, each used only a little."""
    named = {decoy.name for decoy in demo_data.PLANTED} | {each.key for each in demo_data.APPLICATIONS}
    chosen = [
        key for key in KEYS if key.fate or key.doomed or (key.rotations and key.retired) or key.name in named
    ]
    few = [replace(key, use=replace(key.use, calls=min(key.use.calls, FEW_CALLS), batch=2)) for key in chosen]
    monkeypatch.setattr(demo, "KEYS", tuple(few))


def test_the_demo_performs_every_kind_of_step_of_the_schedule():
    system = Principal.system("load_demo", Source.COMMAND)
    assert set(demo.Demo(system, DemoUsers(), 2)._handlers) == set(get_args(StepKind.__value__))


def load(*arguments, typed="", stdout=None):
    out = stdout or io.StringIO()
    with standard_input(typed):
        call_command("load_demo", "--days=2", *arguments, stdout=out)
    return out.getvalue()


@contextmanager
def standard_input(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(text))
        yield


def test_the_demo_has_people_keys_and_a_history_that_verifies(db):
    worker = Principal.system("worker", Source.SCHEDULER).actor
    record_alone(Event(action=PASS_FINISHED), worker)  # it ends soon after the first start
    before = database_now()
    lines = load().splitlines()
    after = database_now()
    shown = {line.split()[0]: line.split()[2] for line in lines if line.split()[0] in dict(demo_data.PEOPLE)}
    assert_each_role_can_sign_in(shown)
    assert_keys_are_in_their_final_state()
    assert_the_history_is_in_order(before - DAYS, before, after)
    assert_what_happened_is_on_record()
    # A transactional test empties the log, so it lacks the publication of the checkpoint keys.
    assert [finding for finding in verify_log().findings if finding.kind is not FindingKind.KEY] == []
    run_pass()
    assert alarms() == []
    for family in TokenFamily.objects.filter(revoked_at=None):  # a new password has ended it
        with pytest.raises(SessionEnded):
            family.require_open()
    assert all(before - timedelta(seconds=1) <= signed.signed_at for signed in AuditCheckpoint.objects.all())
    assert_the_officer_sees_the_incident(lines, shown[demo_data.OFFICER], after)


def assert_each_role_can_sign_in(shown):
    assert {user.role for user in User.objects.all()} == {"admin", "operator", "developer", "auditor"}
    assert len(set(shown.values())) == len(demo_data.PEOPLE)
    for user in User.objects.all():
        assert user.check_password(shown[user.username])


def assert_keys_are_in_their_final_state():
    statuses = {entered_name(key): key.lifecycle_state(process_now()).status for key in Key.objects.all()}
    assert statuses == {
        "backup-2024": "active",
        "cardholder-export": "active",
        "card-pan-vault": "active",
        "payouts-2027": "pending",
        "sandbox-merchants": "active",
        "black-friday-vouchers": "expired",
        "ledger-exports": "active",
        "legacy-csv": "disabled",
        "loyalty-points": "scheduled",
        "old-gateway": "revoked",
        "partner-acme-sftp": "revoked",
        "refund-notes": "active",
        "fraud-features": "active",
        "shop/orders": "active",
        "old-shop-rows": "active",
    }
    orders = TransitKey.objects.get(name="orders").key_id
    assert log_rows().filter(action="crypto.message.encrypted", object_id=str(orders)).exists()
    vault = Key.objects.get(name="card-pan-vault")
    first, second = vault.versions.order_by("version")
    assert first.state == "disabled"
    rotated = log_rows().get(action="keys.key.rotated", object_id=str(vault.id))
    assert abs(second.created_at - rotated.timestamp) < timedelta(seconds=5)
    assert rotated.timestamp - first.created_at > timedelta(hours=12)
    assert Key.objects.get(name="ledger-exports").versions.get(version=1).state == "scheduled"


def assert_the_history_is_in_order(begins, before, after):
    """From the first entry of the demo on, times only grow. Everything before the last entry is invented."""
    started = log_rows().get(action=demo_actions.DEMO_STARTED)
    assert before <= started.timestamp <= after
    history = list(log_rows().filter(id__gt=started.id).order_by("id"))
    assert begins <= history[0].timestamp < before - timedelta(days=1)
    assert all(one.timestamp <= next_one.timestamp for one, next_one in pairwise(history))
    assert history[-1].action == demo_actions.DEMO_LOADED
    assert before <= history[-1].timestamp <= after
    hours = {row.hour for row in UsageRollup.objects.all()}
    used = log_rows().filter(action__startswith="crypto.")
    assert hours == {entry.timestamp.replace(minute=0, second=0, microsecond=0) for entry in used}


def assert_what_happened_is_on_record():
    denied = log_rows().filter(outcome="denied")
    assert {(entry.action, entry.code) for entry in denied} == {
        ("crypto.message.encrypted", "key_not_active"),
        ("crypto.message.decrypted", "key_not_usable"),
        ("crypto.message.decrypted", "not_found"),
        ("accounts.session.opened", "authentication_failed"),
    }
    *finished, waiting = AuditExport.objects.order_by("created_at")
    assert len(finished) == 4
    for export in finished:
        assert export.status == Status.SUCCEEDED
        requested = log_rows().get(action="audit.export.requested", object_id=str(export.id))
        # The command has the lease before another worker can see the row. SQLite has milliseconds.
        assert export.started_at < requested.timestamp + timedelta(milliseconds=1)
    assert waiting.status == Status.PENDING
    assert log_rows().filter(action="audit.export.downloaded").count() == 4
    assert_the_applications_have_what_they_need()


def assert_the_applications_have_what_they_need():
    """An account, a grant and a token for each. The planted token has an account, too, but no grant."""
    grants = {grant.principal_id: grant for grant in KeyGrant.objects.all()}
    found = {}
    for token in ServiceToken.objects.exclude(service_account=None):
        grant = grants.get(str(token.service_account_id))
        found[token.service_account.name] = grant and (grant.tag or grant.key.name, set(grant.operations))
    assert found == {
        "support-desk": ("refund-notes", {"crypto.decrypt"}),
        "fraud-model": ("ml", {"crypto.encrypt", "crypto.decrypt"}),
        "website-ci": None,
    }
    [webhook] = Webhook.objects.all()
    assert not webhook.is_active


def assert_the_officer_sees_the_incident(lines, password, after):
    """It is about the planted token. Both shown second factors open the pages."""
    [incident] = read_incidents().incidents
    canaries = {canary.id: canary for canary in read_set().canaries}
    assert {canary.kind for canary in canaries.values()} == {Kind.KEY, Kind.CIPHERTEXT, Kind.TOKEN, Kind.USER}
    assert {canaries[each].kind for each in incident.canary_ids} == {Kind.TOKEN, Kind.CIPHERTEXT}
    assert after - DAYS < min(each.planted_at for each in canaries.values())
    assert max(each.planted_at for each in canaries.values()) < incident.first.at < after
    recovery_code = next(line.strip() for line in lines if line.startswith("  "))
    for code in (recovery_code, Authenticator(lines[-2].split()[-1]).code()):
        browser = Client()
        browser.post("/login/", {"username": demo_data.OFFICER, "password": password})
        assert browser.post("/login/code/", {"code": code}).status_code == 303
    page = plain(browser.get(f"/canaries/incidents/{incident.id}/"))
    for part in (
        "website-deploy",
        "backup-2024",
        "CI variable",
        "203.0.113.77",
        "Use token",
        "Decrypt",
        "New",
    ):
        assert part in page, part


def test_an_instance_in_use_is_left_alone(admin):
    record_alone(Event(action="audit.log.verified"), admin.principal.actor)
    refused("audit.log.verified")
    make_persona("ada-2", "auditor")
    refused("several users")
    KeyFactory(name="our-own")
    refused("it has keys")
    assert Key.objects.count() == 1


def test_an_entry_altered_to_look_like_the_setup_does_not_make_the_instance_empty(admin):
    record_alone(Event(action="audit.log.verified"), admin.principal.actor)
    catch_up()
    altered("UPDATE audit_logs SET action = 'accounts.session.opened' WHERE action = 'audit.log.verified'")
    refused("was altered")


def refused(reason):
    before = log_rows().count()
    with pytest.raises(CommandError, match=reason) as refusal:
        load()
    assert refusal.value.returncode == 1
    assert log_rows().count() == before


def test_an_administrator_with_a_name_of_the_demo_keeps_their_account(admin):
    admin.user.username = "mira"
    admin.user.save_with_mac()
    refused("mira")


@pytest.mark.parametrize("arguments", [["--password-from-stdin"], ["--days=1"], ["--days=366"]])
def test_a_wrong_argument_changes_nothing(db, arguments):
    before = log_rows().count()
    with pytest.raises(CommandError):
        load(*arguments, typed="short\n")
    assert log_rows().count() == before
    assert not User.objects.exists()


class Interrupting(io.StringIO):
    """A terminal at which the user presses Ctrl-C when the first day is reported."""

    def write(self, text):
        if text.startswith("day 1 "):
            raise KeyboardInterrupt
        return super().write(text)


def test_an_interrupted_demo_says_so_and_a_second_run_refuses(db):
    with pytest.raises(CommandError, match="Stopped") as stopped:
        load(stdout=Interrupting())
    assert stopped.value.returncode == 130
    assert demo_state() == "incomplete"
    assert not TokenFamily.objects.filter(revoked_at=None).exists()
    assert abs(process_now() - log_rows().latest("id").timestamp) < timedelta(minutes=1)
    refused("is incomplete")
    record_alone(Event(action=demo_actions.DEMO_LOADED), Principal.system("load_demo", Source.COMMAND).actor)
    refused("already has the demo")
