"""The REST interface of roles."""

import pytest

from accounts.custom_roles.services import create_role
from accounts.models.roles import list_rights
from tests.factories import SYSTEM
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db
READING = ["keys.read", "users.read"]


def test_the_interface_creates_lists_changes_and_deletes(admin):
    made = admin.api.post(
        "/api/v1/roles", {"name": "reader", "permissions": READING, "on_all": ["keys.read"]}
    )
    assert (made.status, made.json["is_built_in"], made.json["on_all"]) == (201, False, ["keys.read"])
    path = made.raw["Location"]
    listed = admin.api.get("/api/v1/roles").json["results"]
    assert [each["name"] for each in listed] == [*(rights.role for rights in list_rights())]
    assert {each["name"]: each["is_built_in"] for each in listed}["admin"] is True
    etag = admin.api.get(path).raw["ETag"]
    changed = admin.api.patch(path, {"description": "Reads"}, if_match=etag)
    assert (changed.status, changed.json["description"]) == (200, "Reads")
    assert admin.api.patch(path, {"description": "No"}, if_match=etag).status == 412
    assert admin.api.get("/api/v1/roles/auditor").json["created_at"] is None
    assert admin.api.delete(path).status == 204
    assert admin.api.get(path).status == 404
    created = admin.api.post("/api/v1/users", {"username": "x", "role": "gone", "password": PASSWORD})
    assert (created.status, list(created.json["errors"])) == (400, ["role"])


def test_what_was_read_can_be_sent_and_fewer_permissions_keep_the_rest(admin):
    path = "/api/v1/roles/reader"
    create_role(
        principal=SYSTEM, name="reader", permissions=["keys.read", "keys.export"], on_all=["keys.read"]
    )
    sent = {name: admin.api.get(path).json[name] for name in ("permissions", "on_all", "description")}
    assert admin.api.patch(path, sent).json["on_all"] == ["keys.read"]
    assert admin.api.patch(path, {"permissions": ["keys.export"]}).json["on_all"] == []
    assert admin.api.get("/api/v1/roles/%00").status == 404
