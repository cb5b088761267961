"""Every page of the console and the roles that may open it: taken from the design, not from the views."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from kernel.pages.views import PageView

EVERYBODY = frozenset({"admin", "operator", "developer", "auditor"})
READERS = EVERYBODY  # developers see only their own objects
ADMIN = frozenset({"admin"})
ADMIN_AND_OPERATOR = frozenset({"admin", "operator"})
ADMIN_AND_AUDITOR = frozenset({"admin", "auditor"})
ADMIN_AND_DEVELOPER = frozenset({"admin", "developer"})
STRANGERS = frozenset({"stranger"})  # anonymous visitors, and thus all users as well


@dataclass(frozen=True)
class Page:
    """The roles that may GET the page, and those that may POST to it; empty if the method does not exist."""

    get: frozenset[str] = frozenset()
    post: frozenset[str] = frozenset()


PAGES = {
    # accounts
    "setup": Page(STRANGERS),
    "setup-link": Page(STRANGERS, STRANGERS),
    "invitation": Page(STRANGERS, STRANGERS),
    "password-reset": Page(STRANGERS, STRANGERS),
    "login": Page(STRANGERS, STRANGERS),
    "login-code": Page(STRANGERS, STRANGERS),
    "login-passkey": Page(post=STRANGERS),
    "login-oidc": Page(post=STRANGERS),
    "oidc-callback": Page(STRANGERS),
    "logout": Page(post=STRANGERS),
    "reauth": Page(EVERYBODY, EVERYBODY),
    "reauth-oidc": Page(post=EVERYBODY),
    "session-extend": Page(post=EVERYBODY),
    "account": Page(EVERYBODY),
    "password": Page(EVERYBODY, EVERYBODY),
    "mfa": Page(EVERYBODY, EVERYBODY),
    "mfa-setup": Page(EVERYBODY, EVERYBODY),
    "mfa-codes": Page(EVERYBODY, EVERYBODY),
    "mfa-codes-kept": Page(post=EVERYBODY),
    "mfa-codes-file": Page(post=EVERYBODY),
    "mfa-remove": Page(EVERYBODY, EVERYBODY),
    "passkeys": Page(EVERYBODY, EVERYBODY),
    "passkey-new": Page(EVERYBODY, EVERYBODY),
    "sessions": Page(EVERYBODY, EVERYBODY),
    "appearance": Page(EVERYBODY, EVERYBODY),
    "users": Page(ADMIN_AND_AUDITOR),
    "user-new": Page(ADMIN, ADMIN),
    "user": Page(ADMIN_AND_AUDITOR),
    "user-invitation": Page(ADMIN, ADMIN),
    "user-email": Page(ADMIN, ADMIN),
    "user-unlock": Page(ADMIN, ADMIN),
    "user-enable": Page(ADMIN, ADMIN),
    "user-sign-out": Page(ADMIN, ADMIN),
    "user-role": Page(ADMIN, ADMIN),
    "user-reset-password": Page(ADMIN, ADMIN),
    "user-reset-second-factor": Page(ADMIN, ADMIN),
    "user-revoke-invitation": Page(ADMIN, ADMIN),
    "user-disable": Page(ADMIN, ADMIN),
    # keys
    "keys": Page(READERS),
    "key-new": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "key-import": Page(ADMIN, ADMIN),
    "key-export": Page(ADMIN, ADMIN),
    "key": Page(READERS),
    "key-public-page": Page(READERS),
    "key-public-file": Page(READERS),
    "key-versions": Page(READERS),
    "key-version-disable": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-version-enable": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-access-page": Page(ADMIN_AND_AUDITOR, ADMIN),
    "key-grant-remove": Page(ADMIN, ADMIN),
    "grants-page": Page(ADMIN_AND_AUDITOR),
    "grant-remove": Page(ADMIN, ADMIN),
    "key-activity": Page(READERS),
    "key-settings": Page(READERS, ADMIN),
    "key-version-schedule-destruction": Page(ADMIN, ADMIN),
    "key-version-cancel-destruction": Page(ADMIN, ADMIN),
    "key-minimum": Page(ADMIN, ADMIN),
    "key-notes": Page(ADMIN, ADMIN),
    "key-succeed": Page(ADMIN, ADMIN),
    "key-transfer": Page(ADMIN, ADMIN),
    "user-transfer-keys": Page(ADMIN, ADMIN),
    "keys-columns": Page(post=READERS),
    "keys-saved": Page(READERS),
    "keys-saved-new": Page(READERS, READERS),
    "keys-saved-delete": Page(post=READERS),
    "keys-bulk": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "keys-bulk-tag": Page(ADMIN, ADMIN),
    "keys-bulk-disable": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "keys-bulk-policy": Page(ADMIN, ADMIN),
    "keys-bulk-rotation": Page(ADMIN, ADMIN),
    "keys-bulk-grant": Page(ADMIN, ADMIN),
    "key-rotate": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-activate": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-enable": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-disable": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "key-revoke": Page(ADMIN, ADMIN),
    "key-mark-compromised": Page(ADMIN, ADMIN),
    "key-schedule-deletion": Page(ADMIN, ADMIN),
    "key-cancel-deletion": Page(ADMIN, ADMIN),
    "policies": Page(EVERYBODY),
    "policy-new": Page(ADMIN, ADMIN),
    "policy": Page(EVERYBODY),
    "policy-edit": Page(ADMIN, ADMIN),
    "policy-activate": Page(ADMIN, ADMIN),
    "policy-deactivate": Page(ADMIN, ADMIN),
    "policy-delete": Page(ADMIN, ADMIN),
    # crypto_ops
    "key-try": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "key-sign-file": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "reencryption-new": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "file-new": Page(ADMIN_AND_DEVELOPER),
    "file-upload": Page(post=ADMIN_AND_DEVELOPER),
    "file-content": Page(post=ADMIN_AND_DEVELOPER),
    "inspect-page": Page(
        frozenset({"admin", "operator", "developer"}), frozenset({"admin", "operator", "developer"})
    ),
    "random-page": Page(
        frozenset({"admin", "operator", "developer"}), frozenset({"admin", "operator", "developer"})
    ),
    "key-use": Page(frozenset({"admin", "operator", "developer"})),
    # audit
    "audit": Page(READERS),
    "audit-entry": Page(READERS),
    "audit-entry-proof": Page(READERS),
    "alarms": Page(frozenset({"admin", "operator", "auditor"})),
    "alarm-resolve": Page(ADMIN, ADMIN),
    "audit-checkpoints": Page(READERS),
    "audit-archive": Page(frozenset({"admin", "operator", "auditor"})),
    "log-targets": Page(frozenset({"admin", "operator", "auditor"})),
    "log-target": Page(frozenset({"admin", "operator", "auditor"})),
    "log-target-new": Page(ADMIN, ADMIN),
    "log-target-edit": Page(ADMIN, ADMIN),
    "log-target-test": Page(post=ADMIN),
    "log-target-enable": Page(ADMIN, ADMIN),
    "log-target-disable": Page(ADMIN, ADMIN),
    "log-target-position": Page(ADMIN, ADMIN),
    "log-target-delete": Page(ADMIN, ADMIN),
    "audit-saved": Page(READERS),
    "audit-saved-new": Page(READERS, READERS),
    "audit-saved-delete": Page(post=READERS),
    "audit-export-list": Page(ADMIN_AND_AUDITOR),
    "audit-export-new": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "audit-export-file": Page(post=ADMIN_AND_AUDITOR),
    "jobs": Page(EVERYBODY),
    "rotation-job": Page(frozenset({"admin", "operator", "auditor"})),
    "rotation-job-cancel": Page(ADMIN_AND_OPERATOR, ADMIN_AND_OPERATOR),
    "job": Page(ADMIN_AND_AUDITOR),
    "job-cancel": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "reencryption-job": Page(EVERYBODY),
    "reencryption-job-cancel": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "file-job": Page(EVERYBODY),
    "file-job-cancel": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "verification": Page(frozenset({"admin", "operator", "auditor"})),
    "verification-cancel": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "verification-new": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "rewrap": Page(frozenset({"admin", "operator", "auditor"})),
    "rewrap-cancel": Page(ADMIN, ADMIN),
    "rewrap-new": Page(ADMIN, ADMIN),
    # notifications
    "notifications": Page(frozenset({"admin", "operator", "auditor"})),
    "email-test": Page(post=ADMIN),
    "delivery-retry": Page(post=ADMIN),
    "webhooks-page": Page(ADMIN),
    "webhook-new": Page(ADMIN, ADMIN),
    "webhook-page": Page(ADMIN),
    "webhook-edit": Page(ADMIN, ADMIN),
    "webhook-secret": Page(ADMIN, ADMIN),
    "webhook-test-page": Page(post=ADMIN),
    "webhook-delete": Page(ADMIN, ADMIN),
    # console
    "account-tokens": Page(EVERYBODY),
    "account-token-new": Page(EVERYBODY, EVERYBODY),
    "token-revoke-page": Page(EVERYBODY, EVERYBODY),
    "token-rotate-page": Page(EVERYBODY, EVERYBODY),
    "service-accounts-page": Page(ADMIN_AND_AUDITOR),
    "all-tokens": Page(ADMIN_AND_AUDITOR),
    "service-account-new": Page(ADMIN, ADMIN),
    "application-connect": Page(ADMIN, ADMIN),
    "service-account-page": Page(ADMIN_AND_AUDITOR),
    "service-account-disable": Page(ADMIN, ADMIN),
    "service-account-enable": Page(ADMIN, ADMIN),
    "service-account-role": Page(ADMIN, ADMIN),
    "service-account-secret": Page(ADMIN, ADMIN),
    "service-account-token-new": Page(ADMIN, ADMIN),
    "root": Page(STRANGERS),
    "first-key": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "first-key-decrypt": Page(post=ADMIN_AND_DEVELOPER),
    "home": Page(EVERYBODY),
    "usage": Page(READERS),
    "usage-file": Page(READERS),
    "system": Page(frozenset({"admin", "operator", "auditor"})),
    "backups": Page(frozenset({"admin", "operator", "auditor"})),
    "search": Page(EVERYBODY),
    "reference": Page(EVERYBODY),
    "reference-group": Page(EVERYBODY),
    "reference-call": Page(EVERYBODY, EVERYBODY),
}


@dataclass(frozen=True)
class PageRoute:
    """One page of the URLconf: its name, its path with ``{part}`` for variable parts, its view and rules."""

    name: str
    path: str
    view: Any
    rules: Any


@cache
def page_routes() -> tuple[PageRoute, ...]:
    return tuple(_routes(get_resolver().url_patterns, "/"))


def _routes(patterns, prefix):
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if view is not None and issubclass(view, PageView):
                page = view(**pattern.callback.view_initkwargs)
                yield PageRoute(pattern.name, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), page, page.rules)
