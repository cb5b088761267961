"""The pages that the search finds by their titles and by other words for their content."""

from dataclasses import dataclass
from typing import Final

from django.urls import resolve, reverse

from accounts.principals import Principal
from kernel.rules import Rule
from keys.models.selection import fold


@dataclass(frozen=True, slots=True)
class ListedPage:
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
    ListedPage("home", "Home", "alerts dashboard overview start"),
    ListedPage("keys", "Keys", "list"),
    ListedPage("key-new", "Create key", "new add generate"),
    ListedPage("key-import", "Import key", "upload byok"),
    ListedPage("policies", "Policies", "rules encryption"),
    ListedPage("policy-new", "Create policy", "new add"),
    ListedPage("audit", "Audit log", "events activity history"),
    ListedPage("alarms", "Alarms", "audit integrity tampering"),
    ListedPage("audit-archive", "Archive", "audit segments retention"),
    ListedPage("log-targets", "Log targets", "audit siem syslog forwarding splunk elastic"),
    ListedPage("log-target-new", "Create log target", "new add siem syslog"),
    ListedPage("audit-saved", "Saved filters", "audit searches"),
    ListedPage("audit-saved-new", "Save filter", "audit new"),
    ListedPage("audit-export-list", "Exports", "audit csv download"),
    ListedPage("audit-export-new", "Export audit log", "csv download new"),
    ListedPage("jobs", "Jobs", "tasks progress re-encryption rotation background"),
    ListedPage("file-new", "Encrypt or decrypt a file", "upload"),
    ListedPage("usage", "Usage", "operations statistics figures charts"),
    ListedPage("users", "Users", "people accounts roles"),
    ListedPage("user-new", "Invite user", "new add create account"),
    ListedPage("service-accounts-page", "Service accounts", "applications clients machines"),
    ListedPage("service-account-new", "Create service account", "new add application client"),
    ListedPage("system", "System", "health status version settings database backup kek"),
    ListedPage("notifications", "Notifications", "email settings deliveries smtp"),
    ListedPage("webhooks-page", "Webhooks", "notifications settings"),
    ListedPage("webhook-new", "Create webhook", "new add notifications"),
    ListedPage("reference", "API reference", "rest endpoints documentation curl openapi"),
    ListedPage("account", "Account", "profile me settings"),
    ListedPage("password", "Password", "change account settings"),
    ListedPage("mfa", "Second factor", "mfa 2fa totp authenticator recovery codes account settings"),
    ListedPage("passkeys", "Passkeys", "webauthn fido security key account settings"),
    ListedPage("sessions", "Sessions", "devices browsers sign out account settings"),
    ListedPage("account-tokens", "Tokens", "api service account settings"),
    ListedPage("account-token-new", "Create token", "new add api"),
    ListedPage("appearance", "Appearance", "theme dark light shortcuts account settings"),
)


def find_pages(principal: Principal, search: str) -> list[ListedPage]:
    """The matching pages that the user may open: first those with a word of the search in their title."""
    found = [page for page in PAGES if page.matches(search) and page.is_for(principal)]
    words = _words(search)
    return sorted(found, key=lambda page: not any(word in fold(page.title) for word in words))
