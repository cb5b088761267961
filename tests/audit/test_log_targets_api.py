"""Log targets in the API. tests/endpoints.py has each request, and the roles that may send it."""

import pytest

from audit.models import LogTarget
from tests.endpoints import make_log_target
from tests.log_entries import log_rows

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

PATH = "/api/v1/audit/log-targets"
BODY = {
    "name": "SIEM",
    "url": "https://siem.example.org/T0KEN",
    "style": "elastic",
    "credential": "ApiKey 5eCr3T",
    "actions": ["keys."],
    "size": 0,
}


def test_a_target_is_created_read_changed_and_deleted(admin):
    made = admin.api.post(PATH, BODY)
    assert made.status == 201, made.content
    path = f"{PATH}/{made.json['id']}"
    assert made.headers["Location"] == path
    total = log_rows().count()
    read = admin.api.get(path).json
    assert {name: read[name] for name in BODY if name != "credential"} == {
        name: value for name, value in BODY.items() if name != "credential"
    }
    assert (read["status"], read["has_credential"], read["format"]) == ("active", True, "json")
    assert read["lag_entries"] == total
    assert read["lag_seconds"] >= 0
    assert "5eCr3T" not in str(read)
    changed = admin.api.send("PATCH", path, {"credential": "", "outcomes": ["error"]}).json
    assert (changed["has_credential"], changed["outcomes"], changed["actions"]) == (
        False,
        ["error"],
        ["keys."],
    )
    assert admin.api.send("DELETE", path).status == 204
    assert admin.api.get(path).status == 404


def test_a_new_target_gets_new_entries_only_unless_it_says_so(admin):
    log_rows()
    made = admin.api.post(PATH, {name: value for name, value in BODY.items() if name != "size"}).json
    assert made["size"] > 0
    assert made["lag_entries"] == 0


def test_a_stop_ends_with_a_new_position_which_must_be_named(admin):
    target = make_log_target()
    target.stopped_reason, target.size = "The receiver has other entries.", 10**6
    target.save_with_mac()
    path = f"{PATH}/{target.id}"
    read = admin.api.get(path).json
    assert (read["status"], read["lag_entries"], read["lag_seconds"]) == ("stopped", 0, 0)
    assert admin.api.post(f"{path}/reset-position", {}).status == 400
    refused = admin.api.post(f"{path}/reset-position", {"size": 10**6})
    assert (refused.status, [*refused.json["errors"]]) == (400, ["size"])
    done = admin.api.post(f"{path}/reset-position", {"size": 0}).json
    assert (done["status"], done["size"]) == ("active", 0)


def test_a_disabled_target_can_be_tested_and_enabled_once(admin):
    target = make_log_target(is_enabled=False)
    path = f"{PATH}/{target.id}"
    tested = admin.api.post(f"{path}/test", {})
    assert (tested.status, tested.json["status"]) == (202, "disabled")
    assert tested.json["test_requested_at"]
    assert admin.api.post(f"{path}/enable", {}).json["status"] == "active"
    assert admin.api.post(f"{path}/enable", {}).status == 409
    assert admin.api.post(f"{path}/disable", {}).json["status"] == "disabled"


def test_a_change_is_refused_if_another_one_came_before_but_not_after_a_delivery(admin):
    target = make_log_target(size=0)
    path = f"{PATH}/{target.id}"
    tag = admin.api.get(path).headers["ETag"]
    target.size = 1
    target.save_with_mac()  # as a delivery
    changed = admin.api.send("PATCH", path, {"format": "ecs"}, If_Match=tag)
    assert (changed.status, changed.headers["ETag"] != tag) == (200, True)
    assert admin.api.send("PATCH", path, {"format": "cef"}, If_Match=tag).status == 412


def test_a_reader_gets_the_server_instead_of_the_url(auditor):
    target = make_log_target()
    [listed] = auditor.api.get(PATH).json["results"]
    assert listed["url"] == "https://siem.example.org"
    assert LogTarget.objects.get(pk=target.id).url.endswith("/T0KEN")
