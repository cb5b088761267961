"""The OpenAPI document is stored as a file, so that every change of the contract is visible in a review."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
import regex
import requests
import schemathesis
from django.test import override_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from requests.adapters import HTTPAdapter
from schemathesis.specs.openapi import checks
from urllib3 import HTTPResponse

from kernel.crypto.algorithms import ALGORITHM_NAMES, GENERATED_NAMES, KEY_ALGORITHM_ALIASES
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, MAC_MODES, SEALING_MODES, SIGNING_MODES
from kernel.rest import schema
from keys import metadata
from keys.editing.api import UpdateKeySerializer
from keys.reading.serializers import ReasonSerializer
from tests import endpoint_tables
from tests.authorisation import People, send
from tests.endpoints import ENDPOINTS, PUBLIC, all_routes, make_target

HOW = "python -m tests.endpoint_tables"
RESPONSE_CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# For clients that expect a known format; not part of the API.
UNDOCUMENTED = {"schema", "health", "livez", "readyz", "metrics", "version"}


@pytest.fixture(scope="module")
def document():
    return json.loads(json.dumps(schema.document()))


def operations(document):
    return [
        (path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_the_one_that_was_reviewed():
    rendered = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True))
    assert endpoint_tables.SNAPSHOT.read_bytes() == rendered, (
        f"If the change is meant, write it down with: {HOW}"
    )


def test_the_page_of_the_api_has_the_endpoints_of_the_document(document):
    assert endpoint_tables.PAGE.read_text() == endpoint_tables.page(document), f"Write the tables with: {HOW}"


def test_nothing_of_the_api_is_guessed_at():
    GENERATOR_STATS.reset()
    SchemaGenerator().get_schema(request=None, public=True)
    assert dict(GENERATOR_STATS._warn_cache) == {}
    assert dict(GENERATOR_STATS._error_cache) == {}


def test_the_document_is_valid_openapi(document):
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_every_endpoint_is_in_the_document_and_nothing_else(document):
    endpoints = {
        (route.path, method)
        for route in all_routes()
        if route.name not in UNDOCUMENTED
        for method in ENDPOINTS[route.name]
    }
    assert {(path, method) for path, method, _ in operations(document)} == endpoints


def test_every_operation_has_a_name_that_reads(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert {"keys_create", "keys_list", "keys_read", "keys_rotate", "encrypt", "auth_login"} <= set(names)


def test_every_operation_shows_what_it_returns_and_what_a_refusal_looks_like(document):
    for path, method, operation in operations(document):
        good = [status for status in operation["responses"] if status.startswith("2")]
        endpoint = next(ENDPOINTS[route.name][method] for route in all_routes() if route.path == path)
        assert good == [str(endpoint.status)], (path, method)
        errors = "application/json" if path == "/oauth/token" else "application/problem+json"
        assert list(operation["responses"]["default"]["content"]) == [errors]


def test_every_request_body_refuses_what_it_does_not_know(document):
    for path, method, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type in {
                "application/octet-stream",
                "multipart/form-data",
                "application/x-www-form-urlencoded",
                "text/plain",
            }:
                continue  # files and texts have no schema, and RFC 6749 section 3.2 ignores unknown parameters
            name = content["schema"]["$ref"].rsplit("/", 1)[1]
            assert document["components"]["schemas"][name]["additionalProperties"] is False, (path, method)


BUDGET = {"RateLimit-Policy", "RateLimit"}


def test_responses_declare_the_headers_of_the_budget(document):
    for path, method, operation in operations(document):
        endpoint = next(ENDPOINTS[route.name][method] for route in all_routes() if route.path == path)
        budget = set() if endpoint.permission == PUBLIC else BUDGET
        for status, response in operation["responses"].items():
            reported = set(response.get("headers", {})) & (BUDGET | {"Retry-After"})
            assert reported == (budget if status < "300" else budget | {"Retry-After"}), (path, method)


@pytest.mark.django_db
def test_the_headers_of_the_document_are_those_of_a_response(document, admin):
    described = document["components"]["headers"]
    with override_settings(CC_THROTTLE_PRINCIPAL="1/hour"):
        good, refused = (admin.api.get("/api/v1/algorithms") for _ in range(2))
    assert (good.status, refused.status) == (200, 429)
    for name in BUDGET:
        for response in (good, refused):
            assert re.fullmatch(described[name]["schema"]["pattern"], response.headers[name])
        assert re.fullmatch(described[name]["schema"]["pattern"], described[name]["example"])
    assert int(refused.headers["Retry-After"]) >= described["Retry-After"]["schema"]["minimum"]


def test_the_document_is_served_as_it_is_kept(client):
    response = client.get("/api/schema/")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == json.loads(endpoint_tables.SNAPSHOT.read_text())


def test_parallel_first_requests_generate_the_document_once(client, monkeypatch):
    generated = []

    class Counting(SchemaGenerator):
        def get_schema(self, *args, **kwargs):
            generated.append(self)
            return super().get_schema(*args, **kwargs)

    monkeypatch.setattr(schema, "SchemaGenerator", Counting)
    schema._generate.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda _: client.get("/api/schema/").status_code, range(4)))
    assert (responses, len(generated)) == ([200] * 4, 1)


def validator(document, name):
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def test_every_endpoint_that_takes_a_body_declares_it(document):
    for path, method, operation in operations(document):
        endpoint = next(ENDPOINTS[route.name][method] for route in all_routes() if route.path == path)
        takes_nothing = path == "/auth/totp/recovery-codes"  # its body may be empty
        if endpoint.body is not None and not takes_nothing:
            assert "requestBody" in operation, (path, method)
    body = document["paths"]["/auth/totp"]["delete"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"]["$ref"].endswith("/Code")
    assert document["components"]["schemas"]["Code"]["required"] == ["code"]


@pytest.mark.django_db
def test_the_rows_of_the_trail_are_what_the_document_says(document, admin):
    body = {"name": "orders", "algorithm": "aes-256", "tags": ["pci"]}
    key = admin.api.post("/api/v1/keys", body).json
    admin.api.patch(f"/api/v1/keys/{key['id']}", {"tags": [], "description": "of the shop"})
    filters = {"name": "denials", "filters": {"outcome": "denied"}}
    admin.api.post("/api/v1/audit/saved-filters", filters)
    rows = admin.api.get("/api/v1/audit/trail").json["results"]
    assert {row["action"] for row in rows} == {"insert", "update"}
    for row in rows:
        validator(document, "ChangedRow").validate(row)
    row = next(row for row in rows if row["table_name"] == "encryption_keys")
    assert not validator(document, "ChangedRow").is_valid(row | {"new_values": {"name": 1.5}})
    assert not validator(document, "ChangedRow").is_valid(row | {"new_values": "orders"})


def test_every_algorithm_is_one_of_those_that_exist(document):
    known = {
        "KeyAlgorithmEnum": set(ALGORITHM_NAMES),
        "StoredAlgorithmEnum": set(metadata.STORED_ALGORITHMS),
        "KeyAlgorithmOrAliasEnum": {*ALGORITHM_NAMES, *KEY_ALGORITHM_ALIASES},
        "GeneratedAlgorithmEnum": {*GENERATED_NAMES, *KEY_ALGORITHM_ALIASES},
        "AlgorithmEnum": set(SEALING_MODES),
        "SigningAlgorithmEnum": set(SIGNING_MODES),
        "MacAlgorithmEnum": set(MAC_MODES),
        "SecretAlgorithmEnum": {*KEM_MODES, *AGREEMENT_MODES},
    }
    schemas = document["components"]["schemas"]
    assert {name: set(schemas[name]["enum"]) for name in known} == known
    named = {
        name: re.findall(r"\w+Enum", json.dumps(schema["properties"]["algorithm"]))
        for name, schema in schemas.items()
        if "algorithm" in schema.get("properties", {})
    }
    assert all(len(enums) == 1 for enums in named.values()), named
    assert [name for name in named if named[name] == ["KeyAlgorithmEnum"]] == [
        "ExportedKey",
        "Policy",
    ]
    assert [name for name in named if named[name] == ["StoredAlgorithmEnum"]] == ["Key", "PublicKey"]
    assert [name for name in named if named[name] == ["KeyAlgorithmOrAliasEnum"]] == [
        "CreatePolicy",
        "ImportKey",
    ]
    assert [name for name in named if named[name] == ["GeneratedAlgorithmEnum"]] == ["CreateKey", "Succeed"]


LABELS = ["a", "ticket SEC-412: lost", "é日本 ☂", "a  b", "", " a", "a ", "a\tb", "a\nb", "a\n"]
INVISIBLE = ["a\u200bb", "\u202ea", "a\u00a0b", "a\u2028b", "\x00", "a\x7f"]


@pytest.mark.parametrize("text", LABELS + INVISIBLE)
def test_a_reason_and_a_tag_fit_the_pattern_exactly_where_they_are_accepted(document, text):
    reason = document["components"]["schemas"]["Reason"]["properties"]["reason"]["pattern"]
    tags = document["components"]["schemas"]["CreateKey"]["properties"]["tags"]
    accepted = ReasonSerializer(data={"reason": text}).is_valid()
    assert accepted is bool(regex.fullmatch(reason.removesuffix("$"), text))
    assert accepted is UpdateKeySerializer(data={"tags": [text]}).is_valid()
    assert tags["items"]["pattern"] == reason
    assert tags["uniqueItems"]


@pytest.mark.django_db(transaction=True)
def test_every_operation_accepts_a_request_and_responds_as_documented(document, subtests, settings):
    settings.CC_THROTTLE_ANONYMOUS = settings.CC_THROTTLE_AUTH = "100000/minute"
    people, accepted = People(), set()
    contract = schemathesis.openapi.from_dict(document)
    for route in all_routes():
        for method, endpoint in ENDPOINTS[route.name].items():
            if route.path not in document["paths"]:
                continue
            with subtests.test(route=route.name, method=method):
                admin = people.new_account("admin")  # the principal of an earlier one may be stale
                response = send(admin, route, method, make_target(admin, endpoint.state))
                assert response.status == endpoint.status
                case = contract[route.path][method].Case(
                    path_parameters=dict.fromkeys(named_in(route.path), "x")
                )
                case.validate_response(as_received(response, method), checks=RESPONSE_CHECKS)
                declared = document["paths"][route.path][method.lower()]["responses"][str(response.status)]
                assert ("Location" in declared.get("headers", {})) is ("Location" in response.headers)
                accepted.add((route.path, method))
    assert accepted == {(path, method) for path, method, _ in operations(document)}


def named_in(path):
    return re.findall(r"{(\w+)}", path)


def as_received(response, method):
    """The response as a client of HTTP would have it."""
    body = response.raw.content
    raw = HTTPResponse(BytesIO(body), dict(response.headers), status=response.status, preload_content=False)
    return HTTPAdapter().build_response(requests.Request(method, "http://testserver/").prepare(), raw)
