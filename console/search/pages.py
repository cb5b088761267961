"""The pages that the search finds by their titles and by other words for their content."""

from dataclasses import dataclass
from typing import Final

from django.urls import resolve, reverse

from accounts.principals import Principal
from kernel.rules import Rule
from keys.models.selection import fold


@dataclass(frozen=True, slots=True)
class _Page:
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
        return all(map(principal.has_permission, rule.permissions))

    def matches(self, search: str) -> bool:
        """Whether each word of the search begins a word of the page."""
        known, wanted = _words(f"{self.title} {self.words}"), _words(search)
        return bool(wanted) and all(any(each.startswith(word) for each in known) for word in wanted)


def _words(text: str) -> list[str]:
    return fold(text).replace("-", " ").split()


PAGES: Final = (
    _Page("home", "Home", "alerts dashboard overview start"),
    _Page("keys", "Keys", "list"),
    _Page("keys-saved", "Saved views", "keys filters list"),
    _Page("keys-saved-new", "Save view", "keys new"),
    _Page("key-new", "Create key", "new add generate"),
    _Page("key-import", "Import key", "upload byok"),
    _Page("inspect-page", "Inspect a ciphertext", "cc1 header which key decode"),
    _Page("random-page", "Random bytes", "generate secret password"),
    _Page("policies", "Policies", "rules encryption"),
    _Page("policy-new", "Create policy", "new add"),
    _Page("audit", "Audit log", "events activity history"),
    _Page("alarms", "Alarms", "audit integrity tampering"),
    _Page("audit-checkpoints", "Checkpoints", "audit verify vkey keys witnesses anchors signatures proof"),
    _Page("audit-archive", "Archive", "audit segments retention"),
    _Page("log-targets", "Log targets", "audit siem syslog forwarding splunk elastic"),
    _Page("log-target-new", "Create log target", "new add siem syslog"),
    _Page("audit-saved", "Saved filters", "audit searches"),
    _Page("audit-saved-new", "Save filter", "audit new"),
    _Page("audit-export-list", "Exports", "audit csv download"),
    _Page("audit-export-new", "Export audit log", "csv download new"),
    _Page("jobs", "Jobs", "tasks progress re-encryption rotation background"),
    _Page("file-new", "Encrypt or decrypt a file", "upload"),
    _Page("usage", "Usage", "operations statistics figures charts"),
    _Page("users", "Users", "people accounts roles"),
    _Page("user-new", "Invite user", "new add create account"),
    _Page("service-accounts-page", "Service accounts", "applications clients machines"),
    _Page("grants-page", "Grants", "access keys tags permissions unused review"),
    _Page("all-tokens", "All tokens", "api users service accounts unused review"),
    _Page("application-connect", "Connect an application", "new add service account grant token onboarding"),
    _Page("service-account-new", "Create service account", "new add application client"),
    _Page("system", "System", "health status version settings database backup kek"),
    _Page("backups", "Backups", "restore drill kek key-encryption keys recovery"),
    _Page("notifications", "Notifications", "email settings deliveries smtp"),
    _Page("webhooks-page", "Webhooks", "notifications settings"),
    _Page("webhook-new", "Create webhook", "new add notifications"),
    _Page("reference", "API reference", "rest endpoints documentation curl openapi"),
    _Page("account", "Account", "profile me settings"),
    _Page("password", "Password", "change account settings"),
    _Page("mfa", "Second factor", "mfa 2fa totp authenticator recovery codes account settings"),
    _Page("passkeys", "Passkeys", "webauthn fido security key account settings"),
    _Page("sessions", "Sessions", "devices browsers sign out account settings"),
    _Page("account-tokens", "Tokens", "api service account settings"),
    _Page("account-token-new", "Create token", "new add api"),
    _Page("appearance", "Appearance", "theme dark light shortcuts account settings"),
)


def find_pages(principal: Principal, search: str) -> list[_Page]:
    """The matching pages that the user may open: first those with a word of the search in their title."""
    found = [page for page in PAGES if page.matches(search) and page.is_for(principal)]
    words = _words(search)
    return sorted(found, key=lambda page: not any(word in fold(page.title) for word in words))
