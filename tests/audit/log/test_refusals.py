import logging
import time

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory

from audit.log import refusals
from audit.log.events import Actor, Event, Outcome
from audit.middleware import RefusalRecorder
from kernel import errors
from kernel.http import problems
from tests.log_entries import log_rows

ACTOR = Actor.anonymous("192.0.2.1", "agent", "r-1")
EVENT = Event(action="keys.key.read", object_id="k", outcome=Outcome.DENIED, code="not_found")


@pytest.mark.django_db
def test_a_burst_of_refusals_becomes_one_entry_at_once_and_one_with_the_number():
    for _ in range(50):
        refusals.note(EVENT, ACTOR)
    assert [entry.count for entry in log_rows().all()] == [1]

    refusals.flush()

    later, first = log_rows().all()
    assert (first.count, first.meta) == (1, "{}")
    assert (later.count, later.meta) == (49, f'{{"repeats_within_seconds":{int(refusals.PERIOD)}}}')
    assert (later.action, later.object_id, later.code) == (first.action, first.object_id, first.code)
    assert (later.client_ip, later.outcome) == ("192.0.2.1", "denied")


@pytest.mark.django_db
def test_a_flush_with_nothing_counted_writes_nothing():
    refusals.flush()

    assert not log_rows().exists()


@pytest.mark.django_db(transaction=True)
def test_counted_refusals_are_flushed_without_another_request_in_every_period(monkeypatch):
    monkeypatch.setattr(refusals, "PERIOD", 0.1)
    for period in (1, 2):
        # Register the first refusal as already written, so that only the timer writes the next one.
        refusals._pending.current.table.is_first(EVENT, ACTOR)
        refusals.note(EVENT, ACTOR)

        deadline = time.monotonic() + 60
        while log_rows().count() < period and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [entry.count for entry in log_rows().all()] == [1] * period


@pytest.mark.django_db(transaction=True)
def test_a_record_that_fails_is_logged_and_forgotten(unwritable_log, caplog):
    with caplog.at_level(logging.ERROR, "audit.log.refusals"):
        refusals.note(EVENT, ACTOR)
        refusals.note(EVENT, ACTOR)
        refusals.flush()

    assert [record.message for record in caplog.records] == ["a refusal could not be recorded"] * 2


def respond(error=None, path="/api/v1/keys", **on_request):
    """Send a request through the middleware to a view that refuses it, or does not."""

    def view(request):
        for name, value in on_request.items():
            setattr(request, name, value)
        return problems.render(request, error) if error else HttpResponse("fine")

    request = RequestFactory().get(path, headers={"User-Agent": "curl"})
    request.client_ip, request.request_id, request.resolver_match = "192.0.2.7", "r-7", "of a known path"
    return RefusalRecorder(view)(request)


@pytest.mark.django_db
def test_a_refusal_shows_who_wanted_what_from_where():
    respond(errors.NotFound(), audit_action="keys.key.read", audit_object=("key", "k"), actor=ACTOR)

    entry = log_rows().get()
    assert (entry.action, entry.object_type, entry.object_id) == ("keys.key.read", "key", "k")
    assert (entry.outcome, entry.code) == ("denied", "not_found")
    assert (entry.client_ip, entry.user_agent, entry.request_id) == ("192.0.2.1", "agent", "r-1")


@pytest.mark.django_db
def test_a_stranger_is_reported_by_their_address():
    respond(errors.Unauthenticated("no"))

    entry = log_rows().get()
    assert (entry.actor_type, entry.user_id, entry.client_ip) == ("anonymous", None, "192.0.2.7")
    assert (entry.user_agent, entry.request_id) == ("curl", "r-7")
    assert (entry.action, entry.code) == ("api.request.refused", "authentication_failed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.Invalid("x"), "error"),
        (errors.Unauthenticated("x"), "denied"),
        (errors.Denied("x"), "denied"),
        (errors.NotFound(), "denied"),
        (errors.Conflict("x"), "denied"),
        (errors.Refused("x"), "denied"),
        (errors.Throttled("x", retry_after=1), "denied"),
        (errors.Unavailable("x"), "error"),
        (problems.InternalError(), "error"),
    ],
)
def test_a_no_is_denied_and_what_could_not_be_done_is_an_error(error, outcome):
    respond(error)

    assert log_rows().get().outcome == outcome


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/auth/login", "/api/v1/nothing"])
def test_every_prefix_of_the_api_is_recorded(path):
    respond(errors.Denied("x"), path=path)

    assert log_rows().count() == 1


@pytest.mark.django_db
def test_success_and_pages_are_not_recorded_here():
    respond()
    respond(errors.NotFound(), path="/favicon.ico")

    assert not log_rows().exists()


@pytest.mark.django_db(transaction=True)
def test_a_refusal_stays_the_same_refusal_where_it_cannot_be_recorded(unwritable_log):
    response = respond(errors.Denied("You may not."))

    assert response.status_code == 403
    assert b'"code": "permission_denied"' in response.content


@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_does_not_change_the_response():
    with transaction.atomic():
        assert respond(errors.Denied("You may not.")).status_code == 403


@pytest.mark.django_db
def test_a_body_that_cannot_be_read_again_leaves_the_response_and_its_entry(caplog):
    def view(request):
        request.read(1)
        request.audit_action = "crypto.message.decrypted"
        return problems.render(request, errors.Denied("x"))

    request = RequestFactory().post("/api/v1/decrypt?key_id=name:payments", b"{}", "application/json")
    request.client_ip, request.request_id, request.resolver_match = "192.0.2.7", "r-7", "of a known path"
    assert RefusalRecorder(view)(request).status_code == 403
    entry = log_rows().get()
    assert (entry.object_type, entry.object_id) == ("", "")
    assert "the body of a refused request could not be read again" in caplog.text


@pytest.mark.django_db
def test_only_requests_that_take_keys_are_searched_for_them():
    query = "/auth/login?key_id=name:payments"
    respond(errors.Denied("x"), query, audit_action="accounts.session.opened")
    respond(errors.Denied("x"), query)
    assert [entry.object_id for entry in log_rows().order_by("id")] == ["", "name:payments"]
