import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings
from zxcvbn import matching

from accounts.models import User
from accounts.origin import Origin
from accounts.passwords import GuessesValidator, require_acceptable
from accounts.principals import Principal
from accounts.users.services import creation, editing, set_up
from ciphercanary.server.preparation import _prepare_first_admin
from ciphercanary.server.starting import CannotStart
from kernel.errors import Invalid
from tests.architecture.sources import ROOT
from tests.factories import UserFactory
from tests.personas import PASSWORD

OURSELVES = Principal.system("test", "command")
ORIGIN = Origin(client_ip="", user_agent="", request_id="")
USER = User(username="ottokarius", email="max.mustermann@example.org")
REPEATS = r"^This password is too easy to guess\. Repeats like .+ Add another word or two\."
COMMON = r"^This password is too easy to guess\.( This is .+ common| Add another word or two\.)"
ROW = "Straight rows of keys|This is (a very|similar to a) common"
NAME = "Your username, your e-mail address|too similar to the (username|email)"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("aaaaaaaaaaaa", REPEATS),
        ("aaaaaaaaaaa1", REPEATS),
        ("abcabcabcabc", REPEATS),
        ("abcdeabcdeabcdeab", REPEATS),
        ("kX7#kX7#kX7#qT2", REPEATS),
        ("a" * 40 + "strong tail: kX7#b2!mQ", REPEATS),
        ("123456789012", ROW),
        ("qwertyuiopas", ROW),
        ("asdfghjkl;'#", ROW),
        ("1qaz2wsx3edc", ROW),
        ("918273645018", COMMON),
        ("qwertyuiop123", COMMON),
        ("PassWord1234!", COMMON),
        ("Dragon!!!!2024", COMMON),
        ("drowssap12345", COMMON),
        ("letmein letmein", COMMON),
        ("Password1Password2", COMMON),
        ("Password-password1!", REPEATS),
        ("P@ssw0rd-P@ssw0rd1", ""),
        ("admin-admin-admin!", REPEATS),
        ("11/11/1111/11/11/11/1111/11/1111", REPEATS),
        ("12/12/2026-12/12/2026", ""),
        ("cipher canary 2026", NAME),
        ("replace-this-with-your-own", NAME),
        ("ottokariusOTTOKARIUSottokarius", ""),
        ("P@ssw0rd!2024", COMMON),
        ("1q2w3e4r5t6y7u8i9o", "This password is too common"),
        ("CipherCanary2026", NAME),
        ("Replace this with your own!", NAME),
        ("Ottokarius!1", NAME),
        ("ottokarius ottokarius", NAME),
        ("ottokarius1990", NAME),
        ("max.mustermann@example.org", NAME),
        ("max.mustermann77", NAME),
        ("Mustermann-12", NAME),
        ("mustermann max example", NAME),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused_with_its_reason(password, reason):
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
        "dragon eats monkey",
        "summer rain in winter",
        "kX7#b2!mQ9zT",
        "это длинная фраза",
        "4@8({[<369!1|70$5+%2" * 6,
    ],
)
def test_other_passwords_are_accepted(password):
    require_acceptable(password, USER)


@pytest.mark.parametrize("length", [12, 16, 24, 32, 72, 128])
@pytest.mark.parametrize("text", ["1|!7+", "({[1|!7+", "({[69$51|!7+pas", "4@8({[<369!1|70$5+%2", "a1b2@"])
def test_the_work_for_any_password_is_bounded(monkeypatch, text, length):
    """zxcvbn looks up each substring, for each of the ways to replace digits and symbols by letters."""
    looked_up = []
    monkeypatch.setattr(
        matching, "dictionary_match", lambda part, *_, **__: looked_up.append(len(part)) or []
    )
    with suppress(ValidationError):
        GuessesValidator().validate((text * length)[:length], USER)
    assert sum(size**2 for size in looked_up) < 55_000


def test_long_names_count_although_zxcvbn_reads_a_part():
    long = User(username="vqzxkwjpbtmhrgfdlcnsyvqzxkwjptbmhxyz", email=None)
    for password in (long.username, f"{long.username}-2026"):
        with pytest.raises(ValidationError, match="Your username"):
            GuessesValidator().validate(password, long)


def test_the_names_of_one_user_are_none_of_another_at_the_same_time():
    others = User(username="mira", email="mira@example.org")

    def judge(user):
        verdicts = set()
        for _ in range(20):
            try:
                require_acceptable("ottokarius-1990", user)
            except Invalid:
                verdicts.add("refused")
            else:
                verdicts.add("accepted")
        return verdicts

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(judge, [USER, others])) == [{"refused"}, {"accepted"}]
    finally:
        sys.setswitchinterval(interval)


def test_the_example_of_the_readme_is_refused():
    [example] = re.findall(r"CC_ADMIN_PASSWORD='(.+)'", (ROOT / "README.md").read_text())
    with pytest.raises(Invalid):
        require_acceptable(example, USER)


@pytest.mark.parametrize("way", ["create_user", "set_password", "change_password", "set_up"])
def test_every_service_compares_with_the_name_of_the_user(db, way):
    name, password = "konstantina", "konstantina-1"
    ways = {
        "create_user": lambda: creation.create_user(
            principal=OURSELVES, username=name, password=password, role="admin"
        ),
        "set_password": lambda: editing.set_password(
            principal=OURSELVES, user_id=UserFactory(username=name).id, password=password
        ),
        "change_password": lambda: editing.change_password(
            principal=principal_of(UserFactory(username=name)), current=PASSWORD, new=password
        ),
        "set_up": lambda: set_up.create_first_admin(
            code=set_up.issue_setup_link(principal=OURSELVES),
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
        pytest.raises(
            CannotStart, match=r"CC_ADMIN_PASSWORD cannot be used: This password is too easy to guess\."
        ),
    ):
        _prepare_first_admin()
    assert not User.objects.exists()


def principal_of(user):
    from accounts.sessions.services.sessions import open_session  # noqa: PLC0415 - only one test opens a session
    from accounts.tokens.access_tokens import authenticate_bearer  # noqa: PLC0415

    return authenticate_bearer(open_session(user, "password", ORIGIN).access_token, ORIGIN)
