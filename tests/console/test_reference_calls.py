"""Endpoints that a page calls with the rights of its user."""

import json
import re
from html import unescape

import pytest

from console.reference import endpoints as reference
from tests.browsing import signed_in
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db
READS = [each for group in reference.groups() for each in group.endpoints if each.can_be_tried]
NOTHING = "00000000-0000-0000-0000-000000000000"


def call(client, anchor, **values):
    page = client.post(f"/reference/call/{anchor}", values)
    content = unescape(page.content.decode())
    status = re.search(r"Response: (\d+)", content)
    shown = re.search(r'aria-label="Response" data-value>(.*?)</pre>', content, re.DOTALL)
    return int(status[1]), json.loads(shown[1])


def test_only_reads_can_be_called(at_admin):
    assert {each.method for each in READS} == {"GET"}
    assert at_admin.get("/reference/call/keys_create").status_code == 404
    assert at_admin.post("/reference/call/keys_create").status_code == 404


@pytest.mark.parametrize("each", READS, ids=lambda each: each.anchor)
def test_a_call_gets_the_response_of_the_endpoint(at_admin, each):
    values = {field.name: NOTHING for field in each.parameters if each.takes_in_path(field.name)}
    values |= {field.name: "1" for field in each.parameters if field.is_required and field.name not in values}
    status, body = call(at_admin, each.anchor, **values)
    assert status in ({400, 404} if values else {200}) or body["code"] == "not_sequenced", body
    assert status == 200 or body["status"] == status


def test_a_call_has_the_permissions_of_the_user_and_its_refusal_is_on_record(developer):
    status, body = call(signed_in(developer), "users_list")
    assert (status, body["code"]) == (403, "permission_denied")
    entry = log_rows().filter(outcome="denied").latest("id")
    assert (entry.action, entry.source) == ("accounts.user.listed", "console")


def test_values_become_the_path_and_the_query(at_admin, admin, make_key):
    key = make_key(admin, "orders")
    assert call(at_admin, "keys_read", key_id=key.id)[1]["name"] == key.name
    assert call(at_admin, "keys_list", search="no such key", limit="3")[1]["limit"] == 3


def test_a_value_with_a_slash_reaches_no_other_endpoint(at_admin, admin, make_key):
    key = make_key(admin, "orders")
    page = at_admin.post("/reference/call/keys_read", {"key_id": f"{key.id}/versions"})
    assert page.status_code == 422
    assert "Enter a value without a slash." in page.content.decode()
