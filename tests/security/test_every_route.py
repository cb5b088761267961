"""Every route under hostile requests: its methods, headers, redirects, cookies and errors, in one pass."""

import re
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.browsing import signed_in
from tests.endpoints import ENDPOINTS, all_routes, missing_target, path_of
from tests.pages import PAGES, page_routes
from tests.security.responses import faults_of
from tests.test_admin import MODELS

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]  # nothing here depends on the database

EVIL = "evil.example"
# A browser's preflight, and headers that some proxies and frameworks believe.
HOSTILE = {
    "Origin": f"https://{EVIL}",
    "Access-Control-Request-Method": "DELETE",
    "Access-Control-Request-Headers": "authorization",
    "X-Forwarded-Host": EVIL,
    "Forwarded": f"host={EVIL}",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Original-URL": f"/{EVIL}",
    "X-Rewrite-URL": f"/{EVIL}",
    "Referer": f"https://{EVIL}/",
}
STRANGE = ("OPTIONS", "TRACE", "PROPFIND")
REFUSED = {401, 403, 404, 405}
# Paths that no route serves, or that a server might serve by mistake.
NOWHERE = (
    "/nowhere",
    "/robots.txt",
    "/.env",
    "/.git/config",
    "/db.sqlite3",
    "/static/",
    "/static/none.css",
    "/static/../manage.py",
    "/static/..%2f..%2fmanage.py",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static//etc/passwd",
    "/static/..\\manage.py",
    "//evil.example/%2e%2e",
    "/%00",
    "/\u2028",
    "/api/v1",
    "/api/v1/",
    "/api/v1/keys/",
    "/auth/",
    f"/{'x' * 3000}",
)


@pytest.fixture
def paths():
    """The path of every route by its name; objects in it do not exist."""
    parts = {"name": "no-such-key", "version": 1, "log_id": 1}
    parts |= dict.fromkeys(("code", "link_code"), "no-code")
    api = {route.name: path_of(route, missing_target()) for route in all_routes()}
    pages = {
        route.name: route.path.format(**dict.fromkeys(re.findall(r"{(\w+)}", route.path), uuid4()) | parts)
        for route in page_routes()
    }
    admin = {f"admin {model.__name__}": listing(model) for model in MODELS}
    others = {"admin": "/admin/", "admin-without-slash": "/admin", "admin login": "/admin/login/"}
    return {**api, **pages, **admin, **others, "static": f"{settings.STATIC_URL}css/app.css"}


def listing(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture(params=["anonymous", pytest.param("admin", marks=pytest.mark.sweep)])
def visitor(request, admin, settings):
    """Django's client, with the cookie of a session and a token if it is the administrator's."""
    settings.CC_THROTTLE_ANONYMOUS = "100000/minute"
    if request.param == "anonymous":
        return Client()
    browser = signed_in(admin)
    browser.defaults["HTTP_AUTHORIZATION"] = f"Bearer {admin.api.token}"
    return browser


def ask(visitor, method, path, **headers):
    """Send the request, and return its response with what is wrong with it."""
    response = visitor.generic(method, path, headers=HOSTILE | headers)
    if response.streaming:
        response.getvalue()
    return response, [
        (method, path, fault) for fault in faults_of(response, path, method=method, theirs=EVIL)
    ]


def test_a_method_that_no_route_has_is_refused_in_the_usual_form(visitor, paths):
    """Also a preflight of another origin."""
    faults = []
    for method in STRANGE:
        for path in paths.values():
            response, found = ask(visitor, method, path)
            faults += found
            if response.status_code not in REFUSED:
                faults.append((method, path, response.status_code))
    assert not faults, "\n".join(map(str, faults))


def test_a_header_overrides_no_method(visitor, paths):
    """A POST whose headers and query say DELETE is a POST."""
    faults = []
    methods = {name: set(rows) for name, rows in ENDPOINTS.items()}
    methods |= {name: {"POST"} if page.post else set() for name, page in PAGES.items()}
    for name, path in paths.items():
        if name in methods and "POST" not in methods[name]:
            response, found = ask(visitor, "POST", f"{path}?_method=DELETE")
            faults += found
            if response.status_code not in {401, 405}:
                faults.append(("POST", path, response.status_code))
    assert not faults, "\n".join(map(str, faults))


def test_a_path_without_a_route_is_not_found(visitor):
    faults = []
    for path in NOWHERE:
        for method in ("GET", "HEAD", "POST"):
            response, found = ask(visitor, method, path)
            faults += found
            if response.status_code not in {404, 403}:
                faults.append((method, path, response.status_code))
    assert not faults, "\n".join(map(str, faults))


@pytest.mark.parametrize(
    "host", [EVIL, f"localhost.{EVIL}", f"localhost@{EVIL}", "localhost:80:80", "a b", "", "[::1"]
)
def test_a_host_that_is_not_ours_is_refused_without_being_named(paths, host):
    for path in ("/login/", "/api/v1/keys", "/health", "/admin/", "/nowhere", "/api/schema/"):
        response, found = ask(Client(), "GET", path, Host=host)
        assert (response.status_code, found) == (400, []), path
