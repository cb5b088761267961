"""Each error page explains the problem, its cause and the next step; htmx gets only the sentence."""

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.test import RequestFactory

from kernel import errors
from kernel.pages import problem_views
from keys.errors import KeyNotActive
from tests.browsing import signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "page"}


def page_of(error, **headers):
    """The response to an anonymous visitor of a page that raises this error."""
    request = RequestFactory().get("/keys/", headers=headers)
    request.request_id = "0123456789abcdef"
    if isinstance(error, errors.DomainError):
        return problem_views.DomainErrorResponses(lambda _request: None).process_exception(request, error)
    return problem_views.refused(request, error)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (errors.Invalid("The date is no date."), 400, "The date is no date."),
        (SuspiciousOperation(), 400, "The request is malformed."),
        (errors.Denied("Not this."), 403, "Not this."),
        (errors.NotFound(), 404, "or you cannot see it"),
        (
            KeyNotActive("It is disabled.", extra={"key_status": "disabled", "state": "suspended"}),
            409,
            "Disabled",
        ),
        (RequestDataTooBig(), 413, "streaming API"),
        (errors.Throttled("Too often.", retry_after=61), 429, "in 61 seconds"),
        (errors.Unavailable("It is away."), 503, "0123456789abcdef"),
        (OperationalError("host=secret.example"), 503, "Try again in a moment"),
        (RuntimeError("password=secret"), 500, "0123456789abcdef"),
    ],
)
def test_each_status_has_a_page_that_shows_what_to_do(error, status, says):
    response = page_of(error)
    content = response.content.decode()
    assert response.status_code == status
    assert says in content
    assert "secret" not in content
    assert content.count("<h1>") == 1


def test_htmx_gets_the_sentence_alone():
    response = page_of(errors.Denied("Not this."), **HTMX)
    assert (response.status_code, response["Content-Type"], response.content) == (
        403,
        "text/plain",
        b"Not this.",
    )


def test_a_page_shows_when_to_try_again_in_its_header_too():
    assert page_of(errors.Throttled("Too often.", retry_after=61))["Retry-After"] == "61"


def test_a_missing_permission_is_named(developer):
    response = signed_in(developer, raise_request_exception=False).get("/system/")
    content = response.content.decode()
    assert response.status_code == 403
    assert "You need the permission system.read." in content
    assert "Your role is developer." in content
    assert "Ask someone who manages users to change it." in content


def test_a_lost_reader_is_offered_a_search(admin):
    response = signed_in(admin).get("/keys/no-such-key/")
    assert response.status_code == 404
    assert 'action="/keys/"' in response.content.decode()


def test_a_way_in_that_is_none_is_refused_with_a_page(admin):
    response = signed_in(admin).post("/home/", {})
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert "Method Not Allowed" in response.content.decode()


def test_a_page_that_does_not_exist_is_not_found(admin):
    assert signed_in(admin).get("/no/such/page/").status_code == 404
