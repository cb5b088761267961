"""``bin/manage load_demo`` creates real data, and does not harm an instance that is in use."""

import io
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import TokenFamily, User
from audit.models import AuditLog
from console import demo_data
from console.services import demo
from kernel.clock import database_now
from keys.models import Key
from keys.services import create_key

pytestmark = pytest.mark.django_db(transaction=True)

ENCRYPTS, READS = 2, 2


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Limit the demo to the keys with a fate and one rotated key, each used only a little."""
    chosen = [key for key in demo_data.KEYS if key.fate or key.name == "payments-db"]
    chosen.sort(key=lambda key: bool(key.fate))
    few = [replace(key, encrypts=min(key.encrypts, ENCRYPTS), reads=min(key.reads, READS)) for key in chosen]
    monkeypatch.setattr(demo, "KEYS", tuple(few))
    monkeypatch.setattr(demo, "SOON", timedelta(hours=1))  # the uses before the expiry may take long


def load(*arguments, typed=""):
    out = io.StringIO()
    with standard_input(typed):
        call_command("load_demo", *arguments, stdout=out)
    return out.getvalue()


@contextmanager
def standard_input(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(text))
        yield


def test_the_demo_has_people_keys_and_a_record_of_what_happened(db):
    before = database_now()
    lines = load().splitlines()
    after = database_now()
    assert_each_role_can_sign_in(
        {line.split()[0]: line.split()[2] for line in lines[: len(demo_data.PEOPLE)]}
    )
    assert_keys_are_in_their_final_state()
    assert_all_is_on_record(before, after)
    assert not TokenFamily.objects.filter(revoked_at=None).exists()


def assert_each_role_can_sign_in(shown):
    assert {user.role for user in User.objects.all()} == {"admin", "operator", "developer", "auditor"}
    assert len(set(shown.values())) == len(demo_data.PEOPLE)
    for user in User.objects.all():
        assert user.check_password(shown[user.username])


def assert_keys_are_in_their_final_state():
    now = database_now() + demo.SOON
    statuses = {key.name: key.lifecycle_state(now).status for key in Key.objects.all()}
    assert statuses == {
        "payments-db": "active",
        "payouts-2027": "pending",
        "black-friday-vouchers": "expired",
        "legacy-csv": "disabled",
        "old-gateway": "revoked",
        "partner-acme-sftp": "revoked",
    }
    assert Key.objects.get(name="payments-db").versions.count() == 5


def assert_all_is_on_record(before, after):
    entries = AuditLog.objects.filter(source="command")
    assert {before <= entry.timestamp <= after for entry in entries} == {True}
    denied = entries.filter(action="crypto.message.encrypted", outcome="denied")
    assert {entry.code for entry in denied} == {"key_not_active"}
    assert denied.count() == 3 * demo.REFUSALS
    assert (
        entries.filter(action="crypto.message.decrypted", actor_name="payments-api").count()
        >= 5 * ENCRYPTS * READS
    )
    assert entries.get(action="audit.export.requested").actor_name == "ines"


def test_an_instance_with_keys_is_left_alone_unless_that_is_wanted(admin):
    create_key(principal=admin.principal, name="our-own", algorithm="aes-256")
    with pytest.raises(CommandError, match="--yes"):
        load()
    assert User.objects.count() == 1
    load("--yes")
    assert Key.objects.count() == 1 + len(demo.KEYS)


def test_a_person_who_happens_to_have_such_a_name_keeps_their_password(db, admin):
    user = admin.user
    user.username = "mira"
    user.save_with_mac()
    with pytest.raises(CommandError, match="user"):
        load()
    assert User.objects.get().password == user.password


def test_a_second_run_makes_what_the_first_did_not(db):
    kept = demo.KEYS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "KEYS", kept[:2])
        load()
    said = load("--yes", "--password-from-stdin", typed="a quite long password\n")
    assert "payments-db already exists" in said
    assert "quite" not in said
    assert Key.objects.count() == len(kept)
    assert User.objects.get(username="mira").check_password("a quite long password")


def test_a_password_that_is_not_accepted_makes_no_one(db):
    with pytest.raises(CommandError):
        load("--password-from-stdin", typed="short\n")
    assert not User.objects.exists()


class Interrupting(io.StringIO):
    """A terminal at which the user presses Ctrl-C when the first key is reported."""

    def write(self, text):
        if text.startswith("key 1 "):
            raise KeyboardInterrupt
        return super().write(text)


def test_an_interrupted_load_says_so_and_ends_its_sessions(db):
    with pytest.raises(CommandError, match="Stopped") as stopped:
        call_command("load_demo", stdout=Interrupting())
    assert stopped.value.returncode == 130
    assert Key.objects.count() == 1
    assert not TokenFamily.objects.filter(revoked_at=None).exists()
