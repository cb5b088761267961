"""The properties that every response of the product has, also to a hostile request.

``faults_of`` returns the violations. The sweeps of routes, methods and roles call it for each of their responses.
"""

import json
import re
from http import HTTPStatus

from kernel import __version__
from kernel.http.middleware import API_PREFIXES
from kernel.installation import ROOT

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "manifest-src": "'self'",
}
FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# Of a server that names itself, its framework or its version, or that shares its responses with other origins.
ABSENT = re.compile(r"access-control-|server$|x-powered-by|x-runtime|x-debug|via$|refresh$")
CACHED = {"/.well-known/jwks.json", "/.well-known/ciphercanary-audit-keys"}
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}
PROBLEM_TYPE = "application/problem+json"
TYPES = {
    "application/json",
    "application/octet-stream",
    "text/html; charset=utf-8",
    "text/plain",
    PROBLEM_TYPE,
}
LEAK = re.compile(
    rb"Traceback|File &quot;|File \"|site-packages|\.py\b|Exception|psycopg|sqlite3|django|gunicorn|python|"
    rb"SELECT |INSERT |/(?:root|usr|var|tmp|etc)/|/home/\w|0x[0-9a-f]{8}|\b\d+\.\d+\.\d+\b|"
    + re.escape(str(ROOT)).encode(),
    re.IGNORECASE,
)
# A page names the files of its libraries, and the product's version, which is public at /version.
PUBLIC = re.compile(rb'"/static/[^"]*"|\b%b\b' % re.escape(__version__).encode())
COOKIES = {"csrftoken", "session", "messages", "theme"}


def faults_of(response, path, *, method="GET", theirs=""):
    """The violations in a response of Django's client to ``method`` of ``path``. ``theirs`` is text of an attacker."""
    content = b"" if response.streaming else response.content
    headers = dict(response.headers)
    found = [
        *header_faults(headers, path.partition("?")[0]),
        *cookie_faults(response.cookies),
        *([] if response.status_code < 400 else error_faults(response, content, path, method)),
    ]
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found.append(f"status {response.status_code}")
    if method == "HEAD" and content:
        found.append("a body after HEAD")
    if content and headers.get("Content-Type") not in TYPES and not path.startswith("/static/"):
        found.append(f"content type {headers.get('Content-Type')}")
    if not is_of_ours(headers.get("Location", "/")):
        found.append(f"redirect to {headers['Location']}")
    if theirs and (theirs.encode() in content or theirs in str(headers)):
        found.append("text of the request")
    return found


def header_faults(headers, path):
    headers = {name.lower(): value for name, value in headers.items()}
    found = [f"{name}: {headers.get(name)}" for name, value in FIXED.items() if headers.get(name) != value]
    found += [f"{name} is present" for name in headers if ABSENT.match(name)]
    if policy_of(headers.get("content-security-policy", "")) != POLICY:
        found.append("Content-Security-Policy")
    if not re.fullmatch(r"[0-9a-f]{32}", headers.get("x-request-id", "")):
        found.append("X-Request-ID")
    if headers.get("content-type", "").startswith("text/html") and "camera=()" not in headers.get(
        "permissions-policy", ""
    ):
        found.append("Permissions-Policy")
    is_kept = path.startswith("/static/") or path in CACHED
    if "no-store" not in headers.get("cache-control", "") and not is_kept:
        found.append(f"Cache-Control: {headers.get('cache-control')}")
    if path.startswith(API_PREFIXES) and "authorization" not in headers.get("vary", "").lower():
        found.append("Vary")
    return found


def policy_of(text):
    return dict(part.strip().partition(" ")[::2] for part in text.split(";"))


def cookie_faults(cookies):
    for name, morsel in cookies.items():
        is_bound = morsel["path"] == "/" and morsel["samesite"] == "Lax" and not morsel["domain"]
        if name not in COOKIES or not is_bound or not morsel["httponly"]:
            yield f"cookie {morsel.OutputString()}"


def error_faults(response, content, path, method):
    if leak := LEAK.search(PUBLIC.sub(b"", content)):
        yield f"leaks {leak[0]!r}"
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and "Allow" not in response.headers:
        yield "405 without Allow"
    if response.status_code == HTTPStatus.UNAUTHORIZED and "WWW-Authenticate" not in response.headers:
        yield "401 without WWW-Authenticate"
    if path.startswith(API_PREFIXES) and method != "HEAD":
        yield from problem_faults(response, content)


def problem_faults(response, content):
    if response.headers["Content-Type"] != PROBLEM_TYPE:
        yield f"no problem document: {content[:80]!r}"
        return
    document = json.loads(content)
    if not document.keys() >= PROBLEM or document["status"] != response.status_code:
        yield f"members {sorted(document)}"
    if document["request_id"] != response.headers["X-Request-ID"]:
        yield "another request id"


def is_of_ours(location):
    """Whether a browser that follows ``location`` stays at this origin."""
    return re.match(r"/(?![/\\])", location) is not None and not re.search(r"[\\\x00-\x20]", location)
