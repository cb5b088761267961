"""The pages that the search finds by their titles and by other words for their content."""

from dataclasses import dataclass
from typing import Final

from django.urls import resolve, reverse

from accounts.principals import Principal
from kernel.rules import Rule
from keys.models.selection import fold


@dataclass(frozen=True, slots=True)
class _ListedPage:
    """``words``: others than those of the title that find the page."""

    name: str
    title: str
    words: str = ""

    @property
    def url(self) -> str:
        return reverse(self.name)

    def is_for(self, principal: Principal) -> bool:
        """Whether the rule of the page admits the user."""
        rule: Rule = resolve(self.url).func.view_class.rules["GET"]  # type: ignore[attr-defined]  # a class-based view
        return not isinstance(rule.permission, str) or principal.has_permission(rule.permission)

    def matches(self, search: str) -> bool:
        """Whether each word of the search begins a word of the page."""
        known, wanted = _words(f"{self.title} {self.words}"), _words(search)
        return bool(wanted) and all(any(each.startswith(word) for each in known) for word in wanted)


def _words(text: str) -> list[str]:
    return fold(text).replace("-", " ").split()


PAGES: Final = (
    _ListedPage("home", "Home", "alerts dashboard overview start"),
    _ListedPage("keys", "Keys", "list"),
    _ListedPage("key-new", "Create key", "new add generate"),
    _ListedPage("key-import", "Import key", "upload byok"),
    _ListedPage("policies", "Policies", "rules encryption"),
    _ListedPage("policy-new", "Create policy", "new add"),
    _ListedPage("audit", "Audit log", "events activity history"),
    _ListedPage("alarms", "Alarms", "audit integrity tampering"),
    _ListedPage("audit-archive", "Archive", "audit segments retention"),
    _ListedPage("log-targets", "Log targets", "audit siem syslog forwarding splunk elastic"),
    _ListedPage("log-target-new", "Create log target", "new add siem syslog"),
    _ListedPage("audit-saved", "Saved filters", "audit searches"),
    _ListedPage("audit-saved-new", "Save filter", "audit new"),
    _ListedPage("audit-export-list", "Exports", "audit csv download"),
    _ListedPage("audit-export-new", "Export audit log", "csv download new"),
    _ListedPage("jobs", "Jobs", "tasks progress re-encryption rotation background"),
    _ListedPage("file-new", "Encrypt or decrypt a file", "upload"),
    _ListedPage("usage", "Usage", "operations statistics figures charts"),
    _ListedPage("users", "Users", "people accounts roles"),
    _ListedPage("user-new", "Invite user", "new add create account"),
    _ListedPage("service-accounts-page", "Service accounts", "applications clients machines"),
    _ListedPage("service-account-new", "Create service account", "new add application client"),
    _ListedPage("system", "System", "health status version settings database backup kek"),
    _ListedPage("notifications", "Notifications", "email settings deliveries smtp"),
    _ListedPage("webhooks-page", "Webhooks", "notifications settings"),
    _ListedPage("webhook-new", "Create webhook", "new add notifications"),
    _ListedPage("reference", "API reference", "rest endpoints documentation curl openapi"),
    _ListedPage("account", "Account", "profile me settings"),
    _ListedPage("password", "Password", "change account settings"),
    _ListedPage("mfa", "Second factor", "mfa 2fa totp authenticator recovery codes account settings"),
    _ListedPage("passkeys", "Passkeys", "webauthn fido security key account settings"),
    _ListedPage("sessions", "Sessions", "devices browsers sign out account settings"),
    _ListedPage("account-tokens", "Tokens", "api service account settings"),
    _ListedPage("account-token-new", "Create token", "new add api"),
    _ListedPage("appearance", "Appearance", "theme dark light shortcuts account settings"),
)


def find_pages(principal: Principal, search: str) -> list[_ListedPage]:
    """The matching pages that the user may open: first those with a word of the search in their title."""
    found = [page for page in PAGES if page.matches(search) and page.is_for(principal)]
    words = _words(search)
    return sorted(found, key=lambda page: not any(word in fold(page.title) for word in words))
