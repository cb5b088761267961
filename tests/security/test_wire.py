"""The running product as seen by a client: headers, methods, paths, cookies and TLS through the whole server."""

import json
import re
import socket
import uuid

import pytest

from tests.product import PASSWORD, Product
from tests.security.responses import POLICY, header_faults, policy_of

pytestmark = pytest.mark.process

HTTPS = {"Host": "keys.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
HTTP = HTTPS | {"X-Forwarded-Proto": "http"}


@pytest.fixture(scope="module")
def admin_token(product):
    return product.token()


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory):
    """The product with a public https address, behind a proxy that terminates TLS."""
    folder = tmp_path_factory.mktemp("tls")
    with Product(folder, CC_PUBLIC_URL="https://keys.example.org", CC_TRUSTED_PROXIES="1") as running:
        yield running


# --- headers of every kind of response: (method, path, body, with the admin's token?, status)

REQUESTS = {
    "API": ("GET", "/api/v1/keys", None, True, 200),
    "API, fast path": ("POST", "/api/v1/encrypt", {"algorithm": "aes-256-gcm", "data": "aGk="}, True, 200),
    "API, fast path refused": ("POST", "/api/v1/encrypt", {"algorithm": "rot-13", "data": ""}, True, 400),
    "API, unauthenticated": ("GET", "/api/v1/keys", None, False, 401),
    "API, not found": ("GET", f"/api/v1/keys/{uuid.UUID(int=7)}", None, True, 404),
    "API, no such route": ("GET", "/api/v1/nowhere", None, True, 404),
    "API, wrong method": ("DELETE", "/api/v1/keys", None, True, 405),
    "API, malformed": ("POST", "/api/v1/encrypt", b"{", True, 400),
    "API, wrong type": ("POST", "/auth/login", {"username": 1, "password": 2}, False, 400),
    "token keys": ("GET", "/.well-known/jwks.json", None, False, 200),
    "schema": ("GET", "/api/schema/", None, True, 200),
    "health": ("GET", "/health", None, False, 200),
    "alive": ("GET", "/livez", None, False, 200),
    "version": ("GET", "/version", None, False, 200),
    "metrics": ("GET", "/metrics", None, False, 200),
    "sign-in": ("GET", "/login/", None, False, 200),
    "admin, not signed in": ("GET", "/admin/", None, False, 302),
    "page that does not exist": ("GET", "/nowhere", None, False, 404),
    "form without its token": ("POST", "/login/", b"username=a", False, 403),
    "TRACE": ("TRACE", "/api/v1/keys", None, True, 405),
    "preflight": ("OPTIONS", "/api/v1/keys", None, False, 401),
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", REQUESTS)
def test_every_kind_of_response_carries_the_security_headers(product, admin_token, kind):
    method, path, body, with_token, status = REQUESTS[kind]
    response = product.send(method, path, body, token=admin_token if with_token else "")
    assert response.status == status, response.content[:300]
    assert header_faults(named(response), path) == []
    assert response.headers.get_all("Set-Cookie") in (None, []) or path == "/login/"


def named(response):
    """The headers of a response, except the name of the server, which has no version."""
    headers = dict(response.headers.items())
    assert headers.pop("Server", "") in {"", "gunicorn/asgi"}
    return headers


def test_a_refusal_before_django_has_them_too(product, admin_token):
    response = product.send("POST", "/api/v1/encrypt", b"x" * (2 * 1024 * 1024 + 1), token=admin_token)
    assert response.status == 413
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_a_static_file_has_them_too_and_may_be_kept(product):
    page = product.send("GET", "/login/").content.decode()
    paths = re.findall(r'"(/static/[^"]+\.(?:css|js))"', page)
    assert paths
    for path in paths:
        response = product.send("GET", path)
        assert response.status == 200
        assert "immutable" in response.headers["Cache-Control"]
        assert header_faults(named(response), path) == []
        assert policy_of(response.headers["Content-Security-Policy"]) == POLICY


# --- request targets that an HTTP library would not send

TARGETS = {
    "up, out of the static files": (b"GET /static/../../../../etc/passwd HTTP/1.1", {404}),
    "up, encoded": (b"GET /static/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", {404}),
    "up, encoded twice": (b"GET /static/%252e%252e/%252e%252e/etc/passwd HTTP/1.1", {404}),
    "backslashes": (b"GET /static/..\\..\\..\\etc\\passwd HTTP/1.1", {404}),
    "an absolute path": (b"GET /static//etc/passwd HTTP/1.1", {404}),
    "a null": (b"GET /static/css/app.css%00.html HTTP/1.1", {404}),
    "the data folder": (b"GET /static/../secret_key HTTP/1.1", {404}),
    "another scheme": (b"GET file:///etc/passwd HTTP/1.1", {400, 404}),
    "another server": (b"GET http://evil.example/login/ HTTP/1.1", {400, 404}),
    "a tunnel": (b"CONNECT evil.example:443 HTTP/1.1", {400, 404, 405}),
    "the server": (b"OPTIONS * HTTP/1.1", {400, 404, 405}),
    "two slashes": (b"GET //evil.example/..%2f HTTP/1.1", {404}),
    "a method of WebDAV": (b"PROPFIND /keys/ HTTP/1.1", {403, 405}),
    "bytes that are no UTF-8": (b"GET /\xff\xfe HTTP/1.1", {400, 404}),
    "a fragment": (b"GET /nowhere#/../static/ HTTP/1.1", {400, 404}),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_strange_target_serves_nothing_and_harms_nothing(product, target):
    line, statuses = TARGETS[target]
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as client:
        client.sendall(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    assert int(head.split()[1]) in statuses, head
    assert b"root:" not in body
    assert b"evil" not in head + body
    assert b"x-content-type-options: nosniff" in head.lower()


def test_a_smuggled_request_gets_no_response(product):
    """A length and chunks in one request: the connection ends after one response, and what follows is not read."""
    smuggled = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", product.port), timeout=20) as client:
        client.sendall(head % (5 + len(smuggled)) + b"0\r\n\r\n" + smuggled)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 400")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "invalid_request"


# --- behind TLS


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/login", {"username": "admin", "password": PASSWORD}),
        ("GET", "/api/v1/keys", None),
        ("GET", "/api/schema/", None),
    ],
)
def test_the_api_refuses_plain_http_and_does_not_redirect(behind_tls, method, path, body):
    response = behind_tls.send(method, path, body, headers=HTTP)
    assert (response.status, response.code) == (403, "permission_denied")
    assert b"https" in response.content
    assert behind_tls.send(method, path, body, headers=HTTPS).status in {200, 401}


def test_a_page_is_redirected_to_https(behind_tls):
    response = behind_tls.send("GET", "/login/", headers=HTTP)
    assert (response.status, response.headers["Location"]) == (301, "https://keys.example.org/login/")


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/version"])
def test_probes_need_no_tls(behind_tls, path):
    assert behind_tls.send("GET", path).status == 200


def test_responses_require_https_of_browsers(behind_tls):
    for path in ("/login/", "/api/v1/keys", "/nowhere"):
        header = behind_tls.send("GET", path, headers=HTTPS).headers["Strict-Transport-Security"]
        assert header == "max-age=31536000"


def test_cookies_are_bound_to_the_host_and_to_https(behind_tls):
    page = behind_tls.send("GET", "/login/", headers=HTTPS)
    cookies = page.headers.get_all("Set-Cookie")
    assert cookies
    for cookie in cookies:
        name, _, attributes = cookie.partition("=")
        assert name.startswith("__Host-")
        assert "; Secure" in attributes
        assert "; HttpOnly" in attributes
        assert "; Path=/" in attributes
        assert "; SameSite=Lax" in attributes
        assert "domain" not in attributes.lower()


def test_a_host_that_is_not_ours_is_refused(behind_tls):
    response = behind_tls.send("GET", "/login/", headers=HTTPS | {"Host": "evil.example"})
    assert response.status == 400
    assert b"evil" not in response.content


def test_a_change_from_another_site_is_refused(product, admin_token):
    body = {"name": f"cross-{uuid.uuid4().hex[:8]}", "algorithm": "aes-256"}
    for site, status in {"cross-site": 403, "same-origin": 201}.items():
        response = product.send(
            "POST", "/api/v1/keys", body, token=admin_token, headers={"Sec-Fetch-Site": site}
        )
        assert response.status == status
