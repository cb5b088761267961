"""The search of the console: for each kind of object, the first hits of its list that the user may see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from accounts.models import ServiceToken
from accounts.principals import Principal
from accounts.service_accounts.services.accounts import list_service_accounts
from accounts.tokens.services.listing import MANAGE, search_tokens
from accounts.users.services.listing import list_users
from audit.log.packed_rows import spelling_of
from audit.models import READ_PERMISSION
from console.search.pages import find_pages
from keys.models.selection import fold
from keys.policies.services.reading import visible_policies
from keys.reading.services import frequent_tags, list_keys

LIMIT: Final = 5


@dataclass(frozen=True, slots=True)
class _Hit:
    title: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The first hits of one kind. ``more``: the label and URL of the list with all of them, if there are others."""

    label: str
    hits: Sequence[_Hit]
    more: tuple[str, str] | None = None


type _Find = Callable[[Principal, str], Sequence[_Hit]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """``find`` returns at most ``LIMIT + 1`` hits. ``parameter``: the one of the list that has the search text."""

    label: str
    permission: str
    find: _Find
    list_label: str
    list_name: str
    parameter: str = ""

    def group(self, principal: Principal, text: str) -> Group:
        hits = self.find(principal, text)
        query = f"?{urlencode({self.parameter: text})}" if self.parameter else ""
        more = (self.list_label, f"{reverse(self.list_name)}{query}")
        return Group(self.label, hits[:LIMIT], more if len(hits) > LIMIT else None)


def search_console(*, principal: Principal, text: str) -> list[Group]:
    """The groups with hits. One query for each kind of object; none for a kind that the user may not see."""
    groups = [kind.group(principal, text) for kind in _KINDS if principal.has_permission(kind.permission)]
    pages = [_Hit(page.title, page.url) for page in find_pages(principal, text)]
    groups.append(Group("Pages", pages[:LIMIT]))
    return [group for group in groups if group.hits]


def _find_keys(principal: Principal, text: str) -> list[_Hit]:
    found = list_keys(principal=principal, only={"search": text}).alias(has_name=Q(name__contains=fold(text)))
    names = found.order_by("-has_name", "name").values_list("name", flat=True)
    return [_Hit(name, reverse("key", args=[name])) for name in names[: LIMIT + 1]]


def _find_tags(principal: Principal, text: str) -> list[_Hit]:
    found = frequent_tags(principal=principal, search=text)[: LIMIT + 1]
    return [_Hit(tag, f"{reverse('keys')}?{urlencode({'tag': tag})}", "Keys with this tag") for tag in found]


def _find_policies(principal: Principal, text: str) -> list[_Hit]:
    found = visible_policies(principal, text).order_by("name").values_list("name", flat=True)
    return [_Hit(name, reverse("policy", args=[name])) for name in found[: LIMIT + 1]]


def _find_users(principal: Principal, text: str) -> list[_Hit]:
    found = list_users(principal=principal, only={"search": text}).values_list("pk", "username", "email")
    return [_Hit(name, reverse("user", args=[pk]), email or "") for pk, name, email in found[: LIMIT + 1]]


def _find_accounts(principal: Principal, text: str) -> list[_Hit]:
    found = list_service_accounts(principal=principal, search=text).values_list("pk", "name")
    return [_Hit(name, reverse("service-account-page", args=[pk])) for pk, name in found[: LIMIT + 1]]


def _find_tokens(principal: Principal, text: str) -> list[_Hit]:
    found = search_tokens(principal=principal, search=text)[: LIMIT + 1]
    return [
        _Hit(token.name, _page_of(token, principal), f"{token.owner.name}, {token.id}") for token in found
    ]


def _page_of(token: ServiceToken, principal: Principal) -> str:
    """The list with the token, on the page of its owner."""
    if token.user_id is None:
        url = reverse("service-account-page", args=[token.service_account_id])
    elif token.user_id == principal.user_id:
        url = reverse("account-tokens")
    else:
        url = reverse("user", args=[token.user_id])
    return f"{url}#token-{token.id}"


def _find_requests(_: Principal, text: str) -> list[_Hit]:
    """A link to the entries of a request, if the text is an id as the server creates them. The log is not searched."""
    if spelling_of(text) is None:
        return []
    return [
        _Hit(text, f"{reverse('audit')}?{urlencode({'request_id': text})}", "Audit events of this request ID")
    ]


_KINDS: Final = (
    _Kind("Keys", "keys.read", _find_keys, "All matching keys", "keys", "search"),
    _Kind("Tags", "keys.read", _find_tags, "All matching keys", "keys", "search"),
    _Kind("Policies", "policies.read", _find_policies, "All matching policies", "policies", "search"),
    _Kind("Users", "users.read", _find_users, "All matching users", "users", "search"),
    _Kind("Service accounts", "users.read", _find_accounts, "All service accounts", "service-accounts-page"),
    _Kind("Tokens", MANAGE, _find_tokens, "Your tokens", "account-tokens"),
    _Kind("Requests", READ_PERMISSION, _find_requests, "Audit log", "audit"),
)
