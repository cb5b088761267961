"""An open page polls for its parts, but polling does not keep an absent user signed in."""

from datetime import timedelta

import pytest
from django.conf import settings

from kernel.clock import process_now
from tests.clocks import travel
from tests.console.conftest import HTMX

pytestmark = pytest.mark.django_db
POLL = {**HTMX, "HX-Target": "home-now", "CC-Poll": "true"}


@pytest.mark.parametrize(("headers", "stays"), [({}, True), (POLL, False)])
def test_only_requests_of_a_person_renew_the_session(headers, stays, at_admin):
    step = timedelta(seconds=settings.SESSION_COOKIE_AGE - 60)
    begun = process_now()
    with travel(begun + step):
        assert at_admin.get("/home/", headers=headers).status_code == 200
    with travel(begun + 2 * step):
        assert at_admin.get("/home/").status_code == (200 if stays else 302)


def test_a_poll_of_an_ended_session_opens_the_sign_in(client):
    response = client.get("/home/", headers=POLL)
    assert response.status_code == 401
    assert "cc:sign-in" in response["HX-Trigger"]
