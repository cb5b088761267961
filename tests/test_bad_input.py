"""Any bad input gets a problem document that names the fault: never a guess, never a 500.

Generated from the OpenAPI document and the good requests of ``tests.endpoints``: a new endpoint is tested without
being listed here.
"""

import json
from dataclasses import replace
from itertools import zip_longest
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
import regex
from django.conf import settings
from django.test import override_settings

from kernel.rest import schema
from tests.endpoints import (
    AUTHENTICATED,
    PUBLIC,
    all_routes,
    endpoint_of,
    make_log_target,
    make_policy,
    make_target,
    make_webhook,
    missing_target,
    path_of,
)
from tests.personas import make_persona

pytestmark = pytest.mark.django_db

HUGE = 10**30
# Fields with an error code of their own.
OF_ONE_FIELD = {"malformed_ciphertext": {"ciphertext"}}
# Values of each type. A field refuses the values of every type that its schema does not name.
TYPED = {
    "string": ["text"],
    "integer": [1],
    "number": [1.5],
    "boolean": [True],
    "array": [[], ["text"]],
    "object": [{}, {"a": 1}],
    "null": [None],
}
NOT_A_DOCUMENT = {
    "no JSON": b"{",
    "text after it": b"{} {}",
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a member twice": b'{"a": 1, "a": 2}',
    "an inner member twice": b'{"a": {"b": 1, "b": 2}}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "21 levels": b'{"a":' * 20 + b"1" + b"}" * 20,
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "sixteen thousand levels": b"[" * 16_000,
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a pair in a name": b'{"\\udc00": 1}',
    "a number of 5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"1",
    "null": b"null",
}
BAD_PARAMETERS = {
    "integer": ["", "x", "1.0", "0x1", "-1", "0", "1e3", "\u0661", "1\x00", str(HUGE), "9" * 5000],
    "date-time": [
        "",
        "yesterday",
        "2026-01-01",
        "2026-13-01T00:00:00Z",
        "\x00",
        "1" * 5000,
    ],
    "boolean": ["perhaps", "\x00", "x" * 5000],
    "enum": ["", "perhaps", "\x00", "x" * 5000],
    "string": ["\x00", "a\x00b", "x" * 5000],
}


def components():
    return schema.document()["components"]["schemas"]


def resolved(part):
    if len(part.get("allOf", ())) == 1:
        return resolved(part["allOf"][0])
    return components()[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part


def operation_of(route, method):
    return schema.document()["paths"].get(route.path, {}).get(method.lower(), {})


def body_schema(route, method):
    return resolved(operation_of(route, method)["requestBody"]["content"]["application/json"]["schema"])


def on_endpoints(matches):
    """Run the test with each endpoint whose operation matches, in one transaction, because set-up takes longer."""
    found = [
        (route, method)
        for route in all_routes()
        for method in ("GET", "POST", "PATCH", "DELETE")
        if matches(operation_of(route, method))
    ]
    assert found

    def decorate(test):
        def test_on_each(send, subtests):
            for route, method in found:
                with subtests.test(route=route.name, method=method):
                    test(route, method, send)

        return test_on_each

    return decorate


# Refused before a value reaches the database, so they run on one of the two.
before_the_database = pytest.mark.postgresql
with_body = on_endpoints(
    lambda operation: "application/json" in operation.get("requestBody", {}).get("content", {})
)
with_query = on_endpoints(lambda operation: any(p["in"] == "query" for p in operation.get("parameters", ())))
with_limit = on_endpoints(
    lambda operation: any(p["name"] == "limit" for p in operation.get("parameters", ()))
)


@pytest.fixture
def send(admin, settings):
    """Send a body (bytes, or a value) to an endpoint about a key of the admin; its state is never reached."""
    settings.CC_THROTTLE_AUTH = "100000/minute"
    target = replace(
        make_target(admin, "pre_activation"),
        policy_id=make_policy().id,
        webhook_id=make_webhook().id,
        target_id=make_log_target().id,
    )

    def to(route, method, body, **headers):
        response = admin.api.send(method, path_of(route, target), body, **headers)
        is_charged = endpoint_of(route, method).permission != PUBLIC
        assert {"RateLimit", "RateLimit-Policy"} <= set(response.headers) or not is_charged
        assert response.headers["Cache-Control"] == "no-store"
        return response

    def good(route, method):
        endpoint = endpoint_of(route, method)
        # The body of another account, because making it may enrol a second factor.
        is_about_caller = endpoint.permission in {AUTHENTICATED, PUBLIC}
        account = make_persona(f"u-{uuid4().hex}", "admin") if is_about_caller else admin
        return dict(endpoint.body(target, account))

    to.good = good
    return to


def refusal(response, status=400):
    """The problem document of a refusal."""
    assert response.status == status, response.raw.content[:300]
    assert response.code
    return response.json


@before_the_database
@with_body
def test_a_body_that_is_no_json_object_is_refused(route, method, send):
    """All endpoints have the same parser, so the sweep below sends the other documents."""
    for what in ("no JSON", "a list"):
        assert refusal(send(route, method, NOT_A_DOCUMENT[what]))["code"] == "invalid_request", what


@pytest.mark.sweep
@before_the_database
@with_body
def test_each_body_that_is_no_json_object_is_refused(route, method, send):
    codes = {what: refusal(send(route, method, body))["code"] for what, body in NOT_A_DOCUMENT.items()}
    assert codes == dict.fromkeys(NOT_A_DOCUMENT, "invalid_request")


@before_the_database
@with_body
def test_another_media_type_is_refused(route, method, send):
    good = send.good(route, method)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "text/json", ""):
        response = send(route, method, good, Content_Type=content_type)
        assert refusal(response, 415)["code"] == "unsupported_media_type"


@before_the_database
@with_body
def test_a_compressed_body_is_refused(route, method, send):
    response = send(route, method, send.good(route, method), Content_Encoding="gzip")
    assert refusal(response, 415)["code"] == "unsupported_media_type"


@before_the_database
@with_body
def test_a_response_in_another_form_is_refused(route, method, send):
    response = send(route, method, send.good(route, method), Accept="text/html")
    assert refusal(response, 406)["code"] == "not_acceptable"


@before_the_database
@with_body
def test_a_body_beyond_the_limit_is_refused(route, method, send):
    with override_settings(CC_MAX_BODY_BYTES=20_000):
        response = send(route, method, {"padding": "x" * 20_000})
    assert refusal(response, 413)["code"] == "request_too_large"


@before_the_database
@with_body
def test_an_unknown_member_is_refused_by_its_name(route, method, send):
    response = send(route, method, send.good(route, method) | {"unknown": 1})
    assert refusal(response)["errors"] == {"unknown": ["Unknown field."]}


def test_another_choice_is_refused_with_the_choices(admin):
    wrong = refusal(admin.api.post("/api/v1/sign", {"encoding": "hex"}))
    assert wrong["errors"]["encoding"] == ["Choose one of: der, raw."]
    wrong = refusal(admin.api.get("/api/v1/audit/alarms?status=shut"))
    assert wrong["errors"] == {"status": ["Choose one of: open, resolved."]}
    wrong = refusal(admin.api.post("/api/v1/grants", {"operations": ["encrypt", "bake"]}))
    assert wrong["errors"]["operations.1"][0].startswith("Choose one of: agree, ")


def test_another_name_is_refused_with_the_rule(admin):
    for name in ("Bad_Name", "", " padded "):
        wrong = refusal(admin.api.post("/api/v1/keys", {"name": name, "algorithm": "aes-256"}))
        assert wrong["errors"] == {"name": ["Use 3 to 64 characters: a-z, 0-9 and hyphen."]}


@before_the_database
@with_body
def test_a_missing_required_member_is_named(route, method, send):
    required = body_schema(route, method).get("required", [])
    for name in required:
        body = send.good(route, method)
        body.pop(name, None)
        assert name in refusal(send(route, method, body))["errors"]


@before_the_database
@with_body
def test_each_field_refuses_what_is_not_of_its_type(route, method, send):
    sweep(send, route, method, wrong_types)


@with_body
def test_each_field_refuses_what_is_beyond_its_bounds(route, method, send):
    sweep(send, route, method, out_of_bounds)


def sweep(send, route, method, wrong_values):
    """Send a wrong value in every field at once, then alone those that an earlier fault kept from being named."""
    good = send.good(route, method)
    properties = body_schema(route, method)["properties"].items()
    values = [[(name, *wrong) for wrong in wrong_values(name, resolved(part))] for name, part in properties]
    for several in zip_longest(*values):
        wrong = list(filter(None, several))
        problem = refusal(send(route, method, good | {name: value for name, _, value in wrong}))
        for name, path, value in wrong:
            if not names(problem, path):
                alone = refusal(send(route, method, good | {name: value}))
                assert names(alone, path) or path in OF_ONE_FIELD.get(alone["code"], ()), (name, value, alone)


def names(problem, path):
    return any(field == path or field.startswith(f"{path}.") for field in problem.get("errors", {}))


def types_of(part):
    kinds = part.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def wrong_types(name, part):
    """``(path of the field at fault, value of the whole field)`` for each type that the schema does not name."""
    for kind in TYPED.keys() - types_of(part):
        yield from ((name, value) for value in TYPED[kind])
    if "items" in part:
        yield from ((name, [value]) for _, value in wrong_types(name, resolved(part["items"])))
    for inner, inner_part in part.get("properties", {}).items():
        for path, value in wrong_types(inner, resolved(inner_part)):
            yield f"{name}.{path}", {inner: value}


def out_of_bounds(name, part):
    kinds = types_of(part)
    if "string" in kinds:
        yield from ((name, text) for text in bad_texts(part))
    if "integer" in kinds:
        allowed = part.get("enum") or (part["minimum"], part["maximum"])
        yield from ((name, number) for number in (HUGE, -HUGE, max(allowed) + 1, min(allowed) - 1))
    if "array" in kinds:
        yield from ((name, [text]) for text in bad_texts(part["items"]))
        yield name, [f"{number}" for number in range(part["maxItems"] + 1)]
    if part.get("additionalProperties") is False:
        yield f"{name}.unknown", {"unknown": 1}
        for inner, inner_part in part["properties"].items():
            yield from ((f"{name}.{inner}", {inner: text}) for text in bad_texts(resolved(inner_part)))


def bad_texts(part):
    yield from ("\x00", "a\x00b")
    if part.get("maxLength", 0) < settings.CC_MAX_BODY_BYTES:  # else the body is too large, as above
        yield "x" * (part.get("maxLength", 4000) + 1)
    if part.get("minLength"):
        yield ""
    if {"enum", "format", "contentEncoding"} & set(part):
        yield "not one of these !"
    if "pattern" in part:
        yield next(text for text in ("not one of these !", " a") if not regex.search(part["pattern"], text))


@with_limit
def test_the_defaults_that_are_documented_are_accepted(route, method, send):
    defaults = {
        name: part["default"] for name, part in parameters(route, method).items() if "default" in part
    }
    assert defaults
    response = ask(send, route, method, defaults)
    assert response.status == 200
    assert response.json["limit"] == defaults["limit"]


@before_the_database
@with_query
def test_an_unknown_parameter_is_refused_by_its_name(route, method, send):
    assert "unknown" in refusal(ask(send, route, method, [("unknown", "1")]))["errors"]


@before_the_database
@with_query
def test_a_parameter_given_twice_is_refused(route, method, send):
    for name in parameters(route, method):
        assert name in refusal(ask(send, route, method, [(name, "1"), (name, "1")]))["errors"]


@with_query
def test_each_parameter_refuses_what_is_not_of_its_form(route, method, send):
    for name, part in parameters(route, method).items():
        if name == "signing_algorithm":  # the key decides, and here is none: tests/crypto_ops/test_jose.py
            continue
        for value in BAD_PARAMETERS[form_of(part)]:
            problem = refusal(ask(send, route, method, [(name, value)]))
            if problem["code"] in OF_ONE_FIELD:
                assert name in OF_ONE_FIELD[problem["code"]]
                continue
            assert set(problem["errors"]) == {name}, (name, value, problem)


def form_of(part):
    if "enum" in part:
        return "enum"
    return "date-time" if part.get("format") == "date-time" else part["type"]


@with_query
def test_a_parameter_that_is_not_utf_8_does_no_harm(route, method, send):
    for name in parameters(route, method):
        response = send_path(send, route, method, f"?{name}=%ff%fe")
        # The key decides about ``signing_algorithm``, and here is none.
        assert response.status in ({404} if name == "signing_algorithm" else {200, 400})


def parameters(route, method):
    listed = operation_of(route, method)["parameters"]
    return {each["name"]: resolved(each["schema"]) for each in listed if each["in"] == "query"}


def ask(send, route, method, pairs):
    """Send the query with the required parameters."""
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    named = {name for name, _ in pairs}
    required = endpoint_of(route, method).query_of(missing_target())
    pairs += [pair for pair in required.items() if pair[0] not in named]
    return send_path(send, route, method, f"?{urlencode(pairs)}")


def send_path(send, route, method, query):
    longer = type(route)(route.name, route.path + query.replace("{", "%7b").replace("}", "%7d"), route.view)
    return send(longer, method, None)


@pytest.mark.parametrize(
    "part", ["0", "-1", str(HUGE), "9" * 4000, "\x00", "%2e%2e", "%ff", "x" * 4000, "\u0661"]
)
def test_a_path_that_names_nothing_is_not_found(part, admin):
    missing = missing_target().key_id
    for path in (
        f"/api/v1/keys/{quote(part, safe='%')}",
        f"/api/v1/keys/{missing}/versions/{quote(part, safe='%')}/disable",
        f"/api/v1/audit/logs/{quote(part, safe='%')}",
    ):
        method = "POST" if path.endswith("disable") else "GET"
        response = admin.api.send(method, path, {"reason": "because"} if method == "POST" else None)
        assert (response.status, response.code) == (404, "not_found"), path


@pytest.mark.parametrize(
    "header",
    [
        {"X_Request_ID": "x" * 5000},
        {"X_Request_ID": "a b"},
        {"Accept": "not a type"},
        {"Content_Type": "application/json; charset=utf-16"},
        {"Content_Type": "application/json; =;"},
        {"User_Agent": "\x00" + "x" * 5000},
        {"Accept_Language": "x" * 5000},
        {"Host": "elsewhere.example"},
        {"Host": "a b"},
    ],
    ids=str,
)
def test_a_strange_header_is_never_an_internal_error(header, admin):
    response = admin.api.post("/api/v1/random", {"bytes": 1}, **header)
    assert response.status < 500
    if response.status >= 400:
        assert json.loads(response.raw.content)["code"]
