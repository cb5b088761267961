"""A retry with the same Idempotency-Key gets the first response and makes no second change."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.urls import include, path
from django.utils import timezone
from rest_framework.response import Response

from accounts.principals import Principal
from accounts.users.services import editing
from kernel.idempotency import requests
from kernel.idempotency.models import CompletedRequest
from kernel.idempotency.requests import Attempt, claim
from kernel.rest import schema
from kernel.rest.idempotency import idempotent
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys import actions
from keys.creation import services as creation
from keys.models import Key, KeyVersion
from keys.states import services as states
from tests.endpoints import PUBLIC, creating, make_target, path_of
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

KEYS = "/api/v1/keys"
NEW_KEY = {"name": "orders", "algorithm": "aes-256"}
REASON = {"reason": "test"}
SECRET = "cct_of_a_service_account"


class SecretView(ApiView[Principal]):
    """An endpoint whose response contains a secret, such as that of a service token."""

    rules = {"POST": Rule("keys.create", actions.KEY_CREATED)}

    @idempotent(response_is_secret=True)
    def post(self, _request):
        key = creation.create_key(principal=self.principal, name="orders", algorithm="aes-256")
        return Response({"id": key.id, "token": SECRET}, 201)


urlpatterns = [path("api/v1/secrets", SecretView.as_view()), path("", include("ciphercanary.urls"))]


def create(persona, body=NEW_KEY, key="a-key"):
    return persona.api.post(KEYS, body, Idempotency_Key=key)


def rotate(persona, key_id, key="a-key"):
    return persona.api.post(f"{KEYS}/{key_id}/rotate", REASON, Idempotency_Key=key)


@pytest.fixture
def key_id(admin):
    return creation.create_key(principal=admin.principal, name="payments", algorithm="aes-256").id


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("route", "method", "endpoint"), creating(), ids=lambda each: getattr(each, "name", None)
)
def test_every_request_that_creates_can_be_retried(admin, route, method, endpoint):
    """Of a response with a secret, only the id is repeated."""
    operation = schema.document()["paths"][route.path][method.lower()]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    assert {"409", "422"} <= set(operation["responses"])
    assert endpoint.permission != PUBLIC
    target = make_target(admin, endpoint.state)
    body = endpoint.body(target, admin) if endpoint.body else {}

    def send(**more):
        return admin.api.send(method, path_of(route, target), body | more, Idempotency_Key="a-key")

    first = send()
    assert first.status == endpoint.status
    assert "Idempotent-Replayed" not in first.headers
    entries = log_rows().count()
    again = send()
    if again.status == 409:
        assert (again.code, again.json["id"]) == ("already_completed", first.json["id"])
    else:
        assert (again.status, again.raw.content) == (first.status, first.raw.content)
        assert again.headers.get("Location") == first.headers.get("Location")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert log_rows().count() == entries
    other = send(unknown=1)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert CompletedRequest.objects.count() == 1


def test_only_requests_that_create_accept_the_header():
    document = schema.document()["paths"]
    accepting = {
        (path, method.upper())
        for path, methods in document.items()
        for method, operation in methods.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    }
    assert accepting == {(route.path, method) for route, method, _ in creating()}


@pytest.mark.parametrize(
    "header",
    ["", " ", '""', '"a', 'a"', "a b", "a,b", '"a", "a"', "a\\b", '"a\\b"', "é", "x" * 256, f'"{"x" * 256}"'],
)
def test_a_key_that_is_not_understood_changes_nothing(admin, header):
    response = create(admin, key=header)
    assert (response.status, set(response.json["errors"])) == (400, {"Idempotency-Key"})
    assert not Key.objects.exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [("k1", '"k1"'), ('"a\\"b\\\\"', ' "a\\"b\\\\"'), ("x" * 255, f'"{"x" * 255}"')],
    ids=["without quotes", "escaped", "longest"],
)
def test_a_key_is_the_same_however_it_is_spelled(admin, first, second):
    assert create(admin, key=first).json == create(admin, key=second).json


def test_a_retry_may_spell_the_same_body_in_another_way(admin):
    first = create(admin)
    again = create(admin, b'{ "algorithm":"aes-256",\n"name":"orders" }')
    assert (again.status, again.json) == (201, first.json)


def test_a_key_belongs_to_its_caller_and_to_one_path(admin, developer, key_id):
    mine = create(admin)
    theirs = create(developer, NEW_KEY | {"name": "theirs"})
    assert (theirs.status, theirs.json["created_by"]) == (201, str(developer.user.id))
    assert create(admin).json == mine.json
    assert rotate(admin, key_id).code == "idempotency_key_reused"


def test_a_request_that_failed_runs_again(admin, key_id):
    states.disable_key(principal=admin.principal, key_id=key_id, **REASON)
    assert rotate(admin, key_id).code == "key_not_active"
    states.enable_key(principal=admin.principal, key_id=key_id, **REASON)
    assert rotate(admin, key_id).json["new_version"] == 2
    assert KeyVersion.objects.filter(key=key_id).count() == 2


def test_a_change_whose_record_cannot_be_stored_is_not_made(admin):
    def refuse(execute, statement, *rest):
        if statement.startswith('INSERT INTO "completed_requests"'):
            raise OperationalError("the disk is full")
        return execute(statement, *rest)

    with connection.execute_wrapper(refuse):
        assert create(admin).status == 503
    assert not Key.objects.exists()
    assert not log_rows().filter(action=actions.KEY_CREATED, outcome="ok").exists()
    assert create(admin).status == 201


def test_a_key_is_free_again_after_24_hours(admin, key_id):
    rotate(admin, key_id)
    row = CompletedRequest.objects.get()
    assert timedelta(hours=23) < row.expires_at - timezone.now() < timedelta(hours=25)
    row.expires_at = timezone.now()
    row.save_with_mac()
    assert rotate(admin, key_id).json["new_version"] == 3
    assert rotate(admin, key_id).json["new_version"] == 3


def test_the_schedule_deletes_expired_records_in_batches(admin, monkeypatch):
    for number in range(4):
        create(admin, NEW_KEY | {"name": f"key-{number}"}, key=f"k{number}")
    *expired, kept = CompletedRequest.objects.order_by("pk")
    CompletedRequest.objects.exclude(pk=kept.pk).update(expires_at=timezone.now())
    monkeypatch.setattr(requests, "DELETED_AT_ONCE", 2)
    requests.delete_expired()
    assert len(expired) == 3
    assert list(CompletedRequest.objects.all()) == [kept]


def test_an_altered_response_is_not_sent(admin):
    create(admin)
    row = CompletedRequest.objects.get()
    CompletedRequest.objects.update(response=row.response.replace("orders", "theirs"))
    response = create(admin)
    assert (response.status, response.code) == (503, "integrity_failed")


@pytest.mark.urls(__name__)
def test_a_response_with_a_secret_is_not_stored(admin):
    first, again = (admin.api.post("/api/v1/secrets", Idempotency_Key="a-key") for _ in range(2))
    assert (first.status, first.json["token"]) == (201, SECRET)
    assert (again.status, again.code, again.json["id"]) == (409, "already_completed", first.json["id"])
    stored = str(CompletedRequest.objects.values().get())
    assert SECRET not in stored
    assert "a-key" not in stored


def test_a_caller_whose_rights_have_ended_gets_no_stored_response(admin, operator, key_id):
    assert rotate(operator, key_id).status == 201
    editing.set_role(principal=admin.principal, user_id=operator.user.id, role="auditor")
    assert rotate(operator, key_id).status == 401
    assert rotate(admin, key_id).status == 201
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM key_rotations")
    KeyVersion.objects.all().delete()
    Key.objects.all().delete()
    assert rotate(admin, key_id).status == 404


@pytest.mark.django_db(transaction=True)
def test_one_of_32_simultaneous_requests_creates_the_key(admin):
    """The others get its response, or 409 while it runs."""
    starting_line = threading.Barrier(32)

    def attempt():
        starting_line.wait()
        try:
            return ApiClient(admin.api.token).post(KEYS, NEW_KEY, Idempotency_Key="a-key")
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        responses = [future.result() for future in [pool.submit(attempt) for _ in range(32)]]
    created = {response.json["id"] for response in responses if response.status == 201}
    assert {response.code for response in responses if response.status != 201} <= {"request_in_progress"}
    assert created == {str(Key.objects.get().id)}
    first = [
        response
        for response in responses
        if response.status == 201 and "Idempotent-Replayed" not in response.headers
    ]
    assert len(first) == 1


@pytest.mark.postgresql  # SQLite has one writer, so there the second request waits
@pytest.mark.django_db(transaction=True)
def test_a_request_is_refused_while_another_with_its_key_runs(admin):
    runs, ends = threading.Event(), threading.Event()

    def run():
        attempt = Attempt.of(admin.user.id, "a-key", "POST", KEYS, "{}")
        with transaction.atomic():
            claim(attempt)
            runs.set()
            ends.wait(10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        assert runs.wait(10)
        response = create(admin)
        other = create(admin, NEW_KEY | {"name": "other"}, key="another-key")
        ends.set()
        running.result()
    assert (response.status, response.code, response.headers["Retry-After"]) == (
        409,
        "request_in_progress",
        "1",
    )
    assert other.status == 201
    assert create(admin).status == 201
