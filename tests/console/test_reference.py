"""The reference shows every endpoint of the OpenAPI document, with calls that a shell can run."""

import json
import re
import shlex

import pytest

from console.reference import endpoints as reference
from kernel.rest import schema
from tests.browsing import signed_in

pytestmark = pytest.mark.django_db
ENDPOINTS = [each for group in reference.groups() for each in group.endpoints]
METHODS = {"get", "post", "patch", "put", "delete"}


def test_every_endpoint_of_the_document_is_there_once():
    expected = {
        (method.upper(), path)
        for path, methods in schema.document()["paths"].items()
        for method in methods
        if method in METHODS
    }
    found = [(each.method, each.path) for each in ENDPOINTS]
    assert (len(found), set(found)) == (len(expected), expected)


def test_the_page_links_to_each_endpoint_on_the_page_of_its_group(at_admin):
    content = at_admin.get("/reference/").content.decode()
    assert len(content) < 100_000
    for group in reference.groups():
        of_group = at_admin.get(f"/reference/{group.anchor}/").content.decode()
        ids = re.findall(r' id="([^"]+)"', of_group)
        assert len(ids) == len(set(ids))
        for each in group.endpoints:
            assert f'href="/reference/{group.anchor}/#{each.anchor}"' in content
            assert each.anchor in ids
    assert at_admin.get("/reference/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("rewrap nothing", []),
        ("DELETE client_ip", []),
        ("get FULLY_specified public-key", ["keys_public_key_read"]),
        ("users.manage patch ROLE /users/", ["users_update"]),
    ],
)
def test_the_search_finds_endpoints_with_each_word(at_admin, search, found):
    content = at_admin.get("/reference/", {"search": search}).content.decode()
    assert re.findall(r'<li id="(\w+)">', content) == found
    assert ("No endpoints match" in content) is not bool(found)


def test_a_permission_is_named_with_whether_the_role_has_it(auditor):
    content = signed_in(auditor).get("/reference/keys/").content.decode()
    assert "<code>keys.rotate</code> (your role does not have it)" in content
    assert "<code>keys.read</code> (your role has it)." in content


@pytest.mark.parametrize("each", ENDPOINTS, ids=lambda each: each.anchor)
def test_an_example_is_a_line_for_a_shell_whose_body_is_json(each):
    line, _, body = each.curl.partition(" <<JSON\n")
    words = shlex.split(line.replace("\\\n", " "))
    assert words[0] == "curl"
    assert ("Authorization: Bearer $CIPHERCANARY_TOKEN" in words) is not each.is_public
    if each.body:
        assert words[-2:] == ["--data-binary", "@-"]
        sent = json.loads(body.removesuffix("\nJSON"))
        required = {field.name for field in each.body if field.is_required and "." not in field.name}
        assert required <= set(sent)


def test_parts_of_a_body_are_named_by_their_way():
    [encrypt] = [each for each in ENDPOINTS if each.anchor == "encrypt"]
    fields = {field.name: field for field in encrypt.body}
    assert fields["algorithm"].is_required
    assert not fields["options"].is_required
    assert "options.mode" in fields
    assert fields["data"].kind == "string (base64)"


def test_every_error_code_of_the_documentation_is_listed_with_its_status(at_admin):
    content = at_admin.get("/reference/").content.decode()
    assert {"not_found", "key_not_active", "permission_denied"} <= {
        each.code for each in reference.problems()
    }
    assert all(f">{each.code}</th>" in content for each in reference.problems())
