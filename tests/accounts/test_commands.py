import io
import re
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import login_attempts
from accounts.models import SigningKey, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.sign_in import services as sign_in
from accounts.users.services import creation, listing
from kernel.errors import Denied, Unauthenticated
from tests.audit.sequencing.log import altered
from tests.factories import UserFactory
from tests.log_entries import log_rows
from tests.personas import PASSWORD
from tests.tampering.alterations import UNREADABLE

ORIGIN = Origin(client_ip="", user_agent="", request_id="")
GOOD = "a long enough password"


@pytest.fixture
def typed(monkeypatch):
    """Pipe text into the command, as ``< file`` does."""

    def pipe(text):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return pipe


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_create_user_reads_the_password_from_standard_input(db, typed):
    typed(f"{GOOD}\n")
    out = run("create_user", "Nora", "--role", "auditor", "--email", "nora@example.org")
    assert out.startswith("nora created with role auditor")
    assert GOOD not in out
    assert sign_in.sign_in(username="nora", password=GOOD, origin=ORIGIN).user.role == "auditor"
    entry = log_rows().get(action="accounts.user.created")
    assert (entry.actor_type, entry.actor_name, entry.source) == ("system", "create_user", "command")


def test_create_user_reports_an_error_in_one_line(db, typed):
    typed("short\n")
    with pytest.raises(CommandError, match="password: This password is too short"):
        run("create_user", "nora", "--role", "auditor")
    typed(f"{GOOD}\n")
    run("create_user", "nora", "--role", "auditor")
    typed(f"{GOOD}\n")
    with pytest.raises(CommandError, match="username: Another user already has this username"):
        run("create_user", "NORA", "--role", "auditor")
    with pytest.raises(CommandError, match="role: Choose one of: admin"):
        run("create_user", "other", "--role", "root")


def test_a_password_typed_at_a_terminal_is_asked_for_twice(db, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    responses = iter([GOOD, GOOD, GOOD, "something else"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(responses))
    run("create_user", "nora", "--role", "auditor")
    with pytest.raises(CommandError, match="do not match"):
        run("set_password", "nora")
    assert sign_in.sign_in(username="nora", password=GOOD, origin=ORIGIN).access_token


def test_set_password_ends_every_session(developer, typed):
    typed(GOOD)
    run("set_password", "dora")
    assert developer.api.get("/auth/me").status == 401
    assert sign_in.sign_in(username="dora", password=GOOD, origin=ORIGIN).access_token


def test_update_user_makes_all_requested_changes_or_none(admin, developer):
    assert run("update_user", "dora", "--role", "operator", "--sign-out") == "dora: operator, active\n"
    assert developer.api.get("/auth/me").status == 401
    assert run("update_user", "dora", "--disable") == "dora: operator, disabled\n"
    with pytest.raises(Unauthenticated):
        sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    assert run("update_user", "dora", "--enable") == "dora: operator, active\n"
    with pytest.raises(CommandError, match="last active administrator"):
        run("update_user", "ada", "--role", "auditor")
    with pytest.raises(CommandError, match="Choose what to change"):
        run("update_user", "dora")
    with pytest.raises(CommandError):
        run("update_user", "dora", "--enable", "--disable")


def test_update_user_rolls_back_incomplete_changes(admin):
    creation.create_user(principal=admin.principal, username="bea", password=GOOD, role="admin")
    run("update_user", "bea", "--disable")
    with pytest.raises(CommandError, match="last active administrator"):
        run("update_user", "ada", "--role", "admin", "--disable")
    assert User.objects.get(username="ada").is_active


def test_unlock_user_lets_a_locked_account_try_again(developer):
    for _ in range(5):
        login_attempts.count(login_attempts.PASSWORD, "dora")
    assert run("unlock_user", "dora") == "dora can sign in again\n"
    assert sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN).access_token


@pytest.mark.parametrize("command", ["set_password", "unlock_user"])
def test_an_unknown_user_is_one_line(db, typed, command):
    typed(GOOD)
    with pytest.raises(CommandError, match="no user with this name"):
        run(command, "nobody")


def test_rotate_signing_key_refuses_an_early_rotation_except_in_an_emergency(db):
    upcoming = SigningKey.objects.get(state="next").kid
    with pytest.raises(CommandError, match="Wait"):
        run("rotate_signing_key")
    assert run("rotate_signing_key", "--emergency") == f"{upcoming} now signs access tokens\n"


@pytest.mark.parametrize(
    ("command", "instead"),
    [(("changepassword", "dora"), "set_password"), (("createsuperuser",), "create_user")],
)
def test_commands_of_djangos_that_would_break_an_account_name_ours(developer, command, instead):
    before = User.objects.values().get()
    with pytest.raises(CommandError, match=f"^Use bin/manage {instead}.$"):
        run(*command)
    assert User.objects.values().get() == before


def test_list_users_shows_who_may_sign_in_and_no_secret(db, admin, developer):
    sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    UserFactory(username="gone", role="auditor", is_active=False)
    UserFactory(username="twice", role="operator", requires_second_factor=True)
    UserFactory(username="forged", role="developer")
    User.objects.filter(username="forged").update(role="admin")
    heading, *lines = run("list_users").splitlines()
    cells = [re.split(r"  +", line) for line in lines]
    assert re.split(r"  +", heading) == ["username", "role", "state", "second factor", "last sign-in (UTC)"]
    assert [row[:4] for row in cells] == [
        ["ada", "admin", "active", "none"],
        ["dora", "developer", "active", "none"],
        ["forged", "admin", "ALTERED", "none"],
        ["gone", "auditor", "disabled", "none"],
        ["twice", "operator", "active", "TOTP"],
    ]
    last = log_rows().filter(action="accounts.session.opened", user_id=developer.user.id).latest("timestamp")
    assert [row[4] for row in cells[1:]] == [f"{last.timestamp:%Y-%m-%d %H:%M}", "never", "never", "never"]
    assert "argon2" not in run("list_users")


@pytest.mark.django_db(transaction=True)
def test_list_users_lists_every_user_although_a_time_in_the_log_is_unreadable(developer):
    sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    altered(f"UPDATE audit_logs SET timestamp = {UNREADABLE[connection.vendor]}")  # noqa: S608 - a constant
    assert "dora" in run("list_users")


def test_list_users_sends_one_query_for_any_number_of_users(db, developer, django_assert_num_queries):
    UserFactory.create_batch(5)
    principal = Principal.system("list_users", "command")
    listing.list_users(principal=principal)
    with django_assert_num_queries(1):
        assert len(listing.list_users(principal=principal)) == 6
    with pytest.raises(Denied):
        listing.list_users(principal=developer.principal)
