"""Lists and changes of fields behave alike everywhere. Generated from the OpenAPI document and ``tests.endpoints``."""

import pytest

from kernel.rest import schema
from kernel.rest.views import link_header
from tests.endpoints import all_routes, endpoint_of, make_target, path_of

pytestmark = pytest.mark.django_db(transaction=True)

# Two forms: pages by number, and pages by key of a growing log.
BY_NUMBER = {"count", "page", "limit", "next", "previous", "results"}
BY_KEY = {"count", "count_is_exact", "limit", "next", "previous", "results"}
NO_LIST = {"attention"}  # the alerts of now, limited by kind


def operations(method, matches=lambda _operation: True):
    """Parameters: the routes with this method whose operation matches."""
    found = [
        pytest.param(route, document[method.lower()], id=route.name)
        for route in all_routes()
        if method.lower() in (document := schema.document()["paths"].get(route.path, {}))
        and matches(document[method.lower()])
    ]
    return pytest.mark.parametrize(("route", "operation"), found)


def members(operation):
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return schema.document()["components"]["schemas"].get(name, {}).get("properties", {})


def parameters(operation, place):
    return {each["name"] for each in operation.get("parameters", ()) if each["in"] == place}


@operations("GET", lambda operation: "results" in members(operation))
def test_every_list_pages_in_one_of_two_ways(route, operation, admin):
    if route.name in NO_LIST:
        return
    is_by_number = "page" in parameters(operation, "query")
    assert set(members(operation)) - {"searched_above", "archived_until"} == (
        BY_NUMBER if is_by_number else BY_KEY
    )
    assert "limit" in parameters(operation, "query")
    target = make_target(admin, endpoint_of(route, "GET").state)
    query = "limit=1&page=2" if is_by_number else "limit=1"
    response = admin.api.get(f"{path_of(route, target)}?{query}")
    assert (response.status, response.json["limit"]) == (200, 1)
    assert len(response.json["results"]) <= 1
    links = {name: response.json[name] for name in ("next", "previous")}
    assert response.headers["Link"] == link_header(links)["Link"]


@operations("PATCH")
def test_every_change_of_fields_may_name_the_revision_that_was_read(route, operation, admin):
    assert "If-Match" in parameters(operation, "header")
    endpoint = endpoint_of(route, "PATCH")
    target = make_target(admin, endpoint.state)
    path, body = path_of(route, target), endpoint.body(target, admin)
    late = admin.api.patch(path, body, If_Match='"older"')
    assert (late.status, late.code) == (412, "version_conflict")
    read = admin.api.get(path)
    changed = admin.api.patch(path, body, If_Match=read.headers["ETag"])
    assert changed.status == 200
    assert changed.headers["ETag"] == admin.api.get(path).headers["ETag"] != read.headers["ETag"]
