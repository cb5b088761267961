import re

import pytest
from django.test import override_settings

from accounts import services
from accounts.models import User
from accounts.origin import Origin
from accounts.passwords import require_acceptable
from accounts.principals import Principal
from ciphercanary.server.preparation import _prepare_first_admin
from ciphercanary.server.refusals import CannotStart
from kernel.errors import Invalid
from tests.architecture.sources import ROOT
from tests.factories import UserFactory
from tests.personas import PASSWORD

OURSELVES = Principal.system("test", "command")
ORIGIN = Origin(client_ip="", user_agent="", request_id="")
USER = User(username="ottokarius", email="max.mustermann@example.org")
REPEATS = "repeats the same few characters"
COMMON = "common"
NAME = "username or email|too similar to the (username|email)"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("aaaaaaaaaaaa", REPEATS),
        ("aaaaaaaaaaa1", REPEATS),
        ("abcabcabcabc", REPEATS),
        ("abcdeabcdeabcdeab", REPEATS),
        ("blue7 Blue7 bLue7 ", REPEATS),
        ("123456789123456789", COMMON),
        ("qwertyuiop123", COMMON),
        ("PassWord1234!", COMMON),
        ("Dragon!!!!2024", COMMON),
        ("1234-monkey-1234", COMMON),
        ("letmein letmein", COMMON),
        ("Password1Password2", COMMON),
        ("P@ssw0rd!2024", COMMON),
        ("CipherCanary2026", COMMON),
        ("Replace this with your own!", COMMON),
        ("Ottokarius!1", NAME),
        ("ottokarius1990", NAME),
        ("max.mustermann@example.org", NAME),
        ("max.mustermann77", NAME),
        ("Mustermann-12", NAME),
        ("mustermann max example", NAME),
    ],
)
def test_what_is_guessed_first_is_refused_with_its_reason(password, reason):
    with pytest.raises(Invalid) as refusal:
        require_acceptable(password, USER)
    [message] = refusal.value.fields["password"]
    assert re.search(reason, message)
    assert password not in message


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "twelve chars",
        "918273645018",
        "918273645a18",  # the list of common passwords contains single letters
        "dragon eats monkey",
        "summer rain in winter",
        "kX7#kX7#kX7#qT2",
    ],
)
def test_other_passwords_are_accepted(password):
    require_acceptable(password, USER)


def test_the_example_of_the_readme_is_refused():
    [example] = re.findall(r"CC_ADMIN_PASSWORD='(.+)'", (ROOT / "README.md").read_text())
    with pytest.raises(Invalid):
        require_acceptable(example, USER)


@pytest.mark.parametrize("way", ["create_user", "set_password", "change_password", "set_up"])
def test_every_service_compares_with_the_name_of_the_user(db, way):
    name, password = "konstantina", "konstantina-1"
    ways = {
        "create_user": lambda: services.create_user(
            principal=OURSELVES, username=name, password=password, role="admin"
        ),
        "set_password": lambda: services.set_password(
            principal=OURSELVES, user_id=UserFactory(username=name).id, password=password
        ),
        "change_password": lambda: services.change_password(
            principal=principal_of(UserFactory(username=name)), current=PASSWORD, new=password
        ),
        "set_up": lambda: services.create_first_admin(
            code=services.issue_setup_link(principal=OURSELVES),
            username=name,
            password=password,
            origin=ORIGIN,
        ),
    }
    with pytest.raises(Invalid) as refusal:
        ways[way]()
    assert set(refusal.value.fields) <= {"password", "new"}


def test_a_first_start_refuses_the_example_in_one_line(db):
    with (
        override_settings(CC_ADMIN_PASSWORD="replace this with your own"),
        pytest.raises(CannotStart, match=r"CC_ADMIN_PASSWORD cannot be used: This password is too common"),
    ):
        _prepare_first_admin()
    assert not User.objects.exists()


def principal_of(user):
    from accounts.services.sessions import open_session  # noqa: PLC0415 - only one test opens a session
    from accounts.tokens import authenticate_bearer  # noqa: PLC0415

    return authenticate_bearer(open_session(user, "password", ORIGIN).access_token, ORIGIN)
