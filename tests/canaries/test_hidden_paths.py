"""Hidden paths are unknown paths for everyone but officers, and in everything that an officer's request leaves."""

import re
from collections import Counter

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from accounts.roles import ROLES
from accounts.sessions.services.sessions import open_session
from audit.log import refusals
from canaries.documents import HOST
from canaries.hidden import officers
from canaries.sealed.store import changing
from canaries.services.offices import appoint_officer, remove_officer, suspend_office
from kernel import runtime
from tests.browsing import signed_in
from tests.canaries.officers import ORIGIN, browser_of, make_officer, with_factor
from tests.log_entries import log_rows
from tests.personas import ApiClient, make_persona, with_token

pytestmark = pytest.mark.django_db(transaction=True)

UUID = "4a3c1f0e-0d7a-4c6e-9a35-0c2f7f0a1b2c"
PATHS = [
    "/canaries",
    "/canaries/",
    "/canaries/incidents/",
    f"/canaries/{UUID}/",
    "/api/v1/canaries",
    "/api/v1/canaries/",
    "/api/v1/canaries/incidents",
    "/api/v1/canaries/schema",
    f"/api/v1/canaries/offices/{UUID}/confirm",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
CHANGING = re.compile(
    r"[0-9a-f]{32}|value=\"\w{64}\"|data-seconds=\"\d+\"|<time[^>]*>[^<]*</time>|expires=[^;]*"
)


def unknown(path):
    return path.replace("canaries", "walruses")


class Caller:
    """Sends requests with a browser's session or a token, from an address of its own."""

    def __init__(self, browser=None, token=""):
        self._browser = browser or Client()
        self._browser.raise_request_exception = False
        self._token = token

    def send(self, method, path, address):
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self._browser.generic(
            method, path, b"{}", "application/json", headers=headers, REMOTE_ADDR=address
        )

    def seen(self, method, path, address):
        with CaptureQueriesContext(connection) as statements:
            response = self.send(method, path, address)
        headers = {name: CHANGING.sub("", value) for name, value in response.headers.items()}
        headers.pop("X-Request-ID")
        headers.pop("CC-Session-Seconds", "")
        body = CHANGING.sub("", response.content.decode())
        cookies = sorted(response.cookies)
        return response.status_code, headers, cookies, body, [each["sql"][:40] for each in statements]


@pytest.fixture(autouse=True)
def read_once(monkeypatch, sealed):
    """A refresh of the set within a test would be a statement more."""
    monkeypatch.setattr(officers, "PERIOD", 3600.0)


def counted():
    """Of all metrics but times."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name.endswith(("_total", "_count")) and not sample.name.startswith(("python", "process"))
    }


def measured(caller, paths, address):
    """Everything that the requests show, and what they leave in metrics and in the log."""
    before = counted()
    seen = [caller.seen(method, path, address) for path in paths for method in METHODS]
    added = {name: value - before.get(name, 0) for name, value in counted().items()}
    refusals.flush()
    columns = (
        "action",
        "actor_type",
        "actor_name",
        "user_id",
        "actor_id",
        "object_id",
        "code",
        "outcome",
        "count",
    )
    entries = Counter(log_rows().filter(client_ip=address).values_list(*columns))
    return seen, {name: value for name, value in added.items() if value}, entries


def measured_both(caller):
    """The traces of requests of hidden and of unknown paths."""
    for attempt in range(10):  # a thread of an earlier test may add to the metrics of the process
        hidden = measured(caller, PATHS, f"10.0.{attempt}.1")
        others = measured(caller, [unknown(path) for path in PATHS], f"10.0.{attempt}.2")
        if hidden[1] == others[1]:
            break
    return hidden, others


def compare(caller):
    caller.send("GET", "/walruses/", "10.0.0.9")
    caller.send("GET", "/api/v1/walruses", "10.0.0.9")  # loads what each process loads once
    hidden, others = measured_both(caller)
    for one, other in zip(hidden[0], others[0], strict=True):
        assert one == other
    assert hidden == others
    assert {status for status, *_ in hidden[0]} == {404}


@pytest.fixture
def appointed():
    """There is an officer, so that the set is not empty."""
    return make_officer("mira")


def test_they_are_unknown_without_signing_in(appointed):
    compare(Caller())


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_role_sees_them(appointed, role):
    persona, authenticator = with_factor(make_persona("paul", role))
    compare(Caller(browser_of(persona, authenticator), persona.api.token))


def test_a_token_that_is_wrong_or_ended_is_refused_as_an_unknown_path(appointed, admin):
    admin.api.post("/auth/logout", {"refresh_token": admin.refresh_token})
    for token in ("x", "cct_wrong", admin.api.token, "a.b.c"):
        compare(Caller(token=token))


def test_no_service_token_carries_an_office(appointed):
    compare(Caller(token=with_token(appointed[0]).api.token))


def test_a_session_without_the_second_factor_carries_no_office(sealed):
    """Of an officer who signed in before they set up their authenticator."""
    persona = make_persona("nils", "admin")
    browser = signed_in(persona)
    with_factor(persona)
    appoint_officer(by=HOST, user_id=persona.user.id)
    pair = open_session(persona.user, "password", ORIGIN)
    compare(Caller(browser, pair.access_token))


@pytest.mark.parametrize("state", ["pending", "suspended", "removed"])
def test_an_office_that_is_not_effective_shows_nothing(appointed, state):
    persona, authenticator = with_factor(make_persona("nils", "admin"))
    by = str(appointed[0].user.id) if state == "pending" else HOST
    appoint_officer(by=by, user_id=persona.user.id)
    if state == "removed":
        remove_officer(by=HOST, user_id=persona.user.id)
    if state == "suspended":
        with changing() as change:
            suspend_office(change, persona.user.id)
    runtime.fresh()
    compare(Caller(browser_of(persona, authenticator), persona.api.token))


def test_an_officers_requests_leave_what_requests_of_unknown_paths_leave(appointed):
    officer, browser = appointed
    caller = Caller(browser, officer.api.token)
    caller.send("GET", "/walruses/", "10.0.0.9")
    (seen, *left), (_, *left_by_unknown) = measured_both(caller)
    assert left == left_by_unknown
    assert 200 in {status for status, *_ in seen}


def test_an_officer_sees_them_in_every_process_state(appointed):
    officer, browser = appointed
    for path in ("/canaries/", "/api/v1/canaries"):
        runtime.fresh()
        sent = Caller(browser, officer.api.token).send("GET", path, "10.0.0.1")
        assert sent.status_code == 200, path


def test_security_headers_and_the_left_time_are_those_of_every_page(appointed):
    _, browser = appointed
    page, known = browser.get("/canaries/"), browser.get("/keys/")
    own = {"Content-Length", "X-Request-ID", "CC-Session-Seconds", "ETag"}
    assert {**page.headers, **dict.fromkeys(own)} == {**known.headers, **dict.fromkeys(own)}
    assert page["Content-Length"] == str(len(page.content))
    assert sorted(page.cookies) == sorted(known.cookies) != []


def test_pages_take_a_session_and_the_api_a_token(appointed):
    officer, browser = appointed
    for path, wrong in {
        "/canaries/": Caller(token=officer.api.token),
        "/api/v1/canaries": Caller(browser),
    }.items():
        assert wrong.send("GET", path, "10.0.0.1").status_code == 404, path


def test_others_get_the_pages_of_an_installation_without_officers(admin, appointed):
    browser = signed_in(admin)
    assert "Canaries" not in browser.get("/home/").content.decode()
    assert "Canaries" in appointed[1].get("/home/").content.decode()


@pytest.mark.parametrize("period", [0.0, 3600.0])
def test_every_path_reads_the_set_once_per_period(monkeypatch, appointed, admin, period):
    monkeypatch.setattr(officers, "PERIOD", period)
    api = ApiClient(admin.api.token)
    api.get("/api/v1/walruses")
    for path in ("/api/v1/canaries", "/api/v1/walruses"):
        with CaptureQueriesContext(connection) as statements:
            api.get(path)
        is_read = any("journal_pages" in each["sql"] for each in statements)
        assert is_read == (period == 0), path
