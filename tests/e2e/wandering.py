"""Visit the console from link to link, so that a page is visited because it can be reached."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Page

from keys.pages.views.bulk import BULK_ACTS
from tests.e2e.browser import Person
from tests.pages import PAGES

# Pages without a link, or with one that is only temporary.
UNLINKED = (
    "/reauth/",
    "/setup/first-key/",
    "/search/?q=key",
    "/audit/saved/new?action=keys.key.rotated",
    "/keys/views-new?status=disabled",
    "/keys/payments-db/minimum-version?version=2",
    "/keys/payments-db/export",
)
# Before or in the middle of a sign-in or set-up: tests/e2e/test_on_the_way.py inspects them.
ON_THE_WAY = frozenset(
    {"setup", "setup-link", "login", "login-code", "mfa-setup", "mfa-codes", "mfa-remove", "passkey-new"}
)
# Redirects, pages that need a running job or an open alarm, and those that tests/e2e/test_users.py and
# tests/e2e/test_access.py inspect.
OF_USERS = frozenset(
    {"user-enable", "user-invitation", "user-reset-second-factor", "user-revoke-invitation", "user-unlock"}
)
ELSEWHERE = OF_USERS | {"root", "oidc-callback", "job-cancel", "alarm-resolve", "service-account-enable"}
ELSEWHERE |= {"log-target-enable"}  # only of a disabled one
# Pages of a job that rotates keys, and of keys that are selected in the list.
ELSEWHERE |= {"rotation-job", "rotation-job-cancel", *(act.url_name for act in BULK_ACTS)}
ELSEWHERE |= {"reencryption-job", "reencryption-job-cancel"}
ELSEWHERE |= {"file-job", "file-job-cancel"}
ELSEWHERE |= {"verification", "verification-cancel"}  # pages of a job
ELSEWHERE |= {"rewrap", "rewrap-cancel", "rewrap-new"}  # pages of a rotation of the key-encryption key
FILES = frozenset({"audit-entry-proof", "key-public-file", "usage-file"})
LINKS = "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"


def name_of(url: str) -> str:
    """The name of the page's route, or "" if it is no page of the console."""
    try:
        name = resolve(urlsplit(url).path).view_name
    except Resolver404:
        return ""
    return name if name in PAGES else ""


def reachable(role: str) -> set[str]:
    """Every page that the role may see."""
    return {name for name, page in PAGES.items() if role in page.get} - ON_THE_WAY - ELSEWHERE


def wander(person: Person, role: str, start: Sequence[str]) -> Iterator[str]:
    """Visit pages from the ``start`` onwards and yield the name of each while it is open.

    Apart from the pages of ``start``, only one page of each route is opened. Files are fetched instead.
    """
    first = [*start, *(path for path in UNLINKED if name_of(path) in reachable(role))]
    waiting, seen, opened = list(first), set(first), set[str]()
    while waiting:
        path = waiting.pop(0)
        name = name_of(path)
        if path not in first and name in opened:
            continue
        opened.add(name)
        if name in FILES:
            assert person.context.request.get(person.base + path).ok, path
            yield name
            continue
        page = person.open(path)
        waiting += [link for link in links_of(page, person.base) if link not in seen]
        seen.update(waiting)
        yield name_of(page.url)


def links_of(page: Page, base: str) -> list[str]:
    """The paths of console pages that the page links to, each once, without query strings."""
    paths = (urlsplit(url).path for url in page.evaluate(LINKS) if url.startswith(base))
    return list(dict.fromkeys(path for path in paths if name_of(path)))
