"""Every page of the console and the roles that may open it: taken from the design, not from the views."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from kernel.pages.views import PageView

EVERYBODY = frozenset({"admin", "key_manager", "user_manager", "operator", "developer", "auditor"})
READERS = EVERYBODY  # developers and user managers see only their own objects
ADMIN = frozenset({"admin"})
KEY_ADMINS = frozenset({"admin", "key_manager"})
USER_ADMINS = frozenset({"admin", "user_manager"})
KEY_CREATORS = frozenset({"admin", "key_manager", "developer"})
ROTATORS = frozenset({"admin", "key_manager", "operator"})
USER_READERS = frozenset({"admin", "key_manager", "user_manager", "auditor"})
SYSTEM_READERS = frozenset({"admin", "key_manager", "operator", "auditor"})
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
    "users": Page(USER_READERS),
    "user-new": Page(USER_ADMINS, USER_ADMINS),
    "user": Page(USER_READERS),
    "user-invitation": Page(USER_ADMINS, USER_ADMINS),
    "user-email": Page(USER_ADMINS, USER_ADMINS),
    "user-unlock": Page(USER_ADMINS, USER_ADMINS),
    "user-enable": Page(USER_ADMINS, USER_ADMINS),
    "user-sign-out": Page(USER_ADMINS, USER_ADMINS),
    "user-role": Page(USER_ADMINS, USER_ADMINS),
    "user-reset-password": Page(USER_ADMINS, USER_ADMINS),
    "user-reset-second-factor": Page(USER_ADMINS, USER_ADMINS),
    "user-revoke-invitation": Page(USER_ADMINS, USER_ADMINS),
    "user-disable": Page(USER_ADMINS, USER_ADMINS),
    # keys
    "keys": Page(READERS),
    "key-new": Page(KEY_CREATORS, KEY_CREATORS),
    "key-import": Page(KEY_ADMINS, KEY_ADMINS),
    "key-export": Page(ADMIN, ADMIN),
    "key": Page(READERS),
    "key-public-page": Page(READERS),
    "key-public-file": Page(READERS),
    "key-versions": Page(READERS),
    "key-version-disable": Page(ROTATORS, ROTATORS),
    "key-version-enable": Page(ROTATORS, ROTATORS),
    "key-access-page": Page(USER_READERS, KEY_ADMINS),
    "key-grant-remove": Page(KEY_ADMINS, KEY_ADMINS),
    "grants-page": Page(USER_READERS),
    "grant-remove": Page(KEY_ADMINS, KEY_ADMINS),
    "key-activity": Page(READERS),
    "key-scream-test-page": Page(READERS),
    "key-settings": Page(READERS, KEY_ADMINS),
    "key-version-schedule-destruction": Page(KEY_ADMINS, KEY_ADMINS),
    "key-version-cancel-destruction": Page(KEY_ADMINS, KEY_ADMINS),
    "key-minimum": Page(KEY_ADMINS, KEY_ADMINS),
    "key-notes": Page(KEY_ADMINS, KEY_ADMINS),
    "key-succeed": Page(KEY_ADMINS, KEY_ADMINS),
    "key-transfer": Page(KEY_ADMINS, KEY_ADMINS),
    "user-transfer-keys": Page(KEY_ADMINS, KEY_ADMINS),
    "keys-columns": Page(post=READERS),
    "keys-saved": Page(READERS),
    "keys-saved-new": Page(READERS, READERS),
    "keys-saved-delete": Page(post=READERS),
    "keys-bulk": Page(ROTATORS, ROTATORS),
    "keys-bulk-tag": Page(KEY_ADMINS, KEY_ADMINS),
    "keys-bulk-disable": Page(ROTATORS, ROTATORS),
    "keys-bulk-policy": Page(KEY_ADMINS, KEY_ADMINS),
    "keys-bulk-rotation": Page(KEY_ADMINS, KEY_ADMINS),
    "keys-bulk-grant": Page(KEY_ADMINS, KEY_ADMINS),
    "key-rotate": Page(ROTATORS, ROTATORS),
    "key-activate": Page(ROTATORS, ROTATORS),
    "key-enable": Page(ROTATORS, ROTATORS),
    "key-disable": Page(ROTATORS, ROTATORS),
    "key-revoke": Page(KEY_ADMINS, KEY_ADMINS),
    "key-mark-compromised": Page(KEY_ADMINS, KEY_ADMINS),
    "key-schedule-deletion": Page(KEY_ADMINS, KEY_ADMINS),
    "key-cancel-deletion": Page(KEY_ADMINS, KEY_ADMINS),
    "policies": Page(EVERYBODY),
    "policy-new": Page(KEY_ADMINS, KEY_ADMINS),
    "policy": Page(EVERYBODY),
    "policy-edit": Page(KEY_ADMINS, KEY_ADMINS),
    "policy-activate": Page(KEY_ADMINS, KEY_ADMINS),
    "policy-deactivate": Page(KEY_ADMINS, KEY_ADMINS),
    "policy-delete": Page(KEY_ADMINS, KEY_ADMINS),
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
    "alarms": Page(SYSTEM_READERS),
    "alarm-resolve": Page(ADMIN, ADMIN),
    "audit-checkpoints": Page(READERS),
    "audit-archive": Page(SYSTEM_READERS),
    "log-targets": Page(SYSTEM_READERS),
    "log-target": Page(SYSTEM_READERS),
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
    "rotation-job": Page(SYSTEM_READERS),
    "rotation-job-cancel": Page(ROTATORS, ROTATORS),
    "job": Page(ADMIN_AND_AUDITOR),
    "job-cancel": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "reencryption-job": Page(EVERYBODY),
    "reencryption-job-cancel": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "file-job": Page(EVERYBODY),
    "file-job-cancel": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "verification": Page(SYSTEM_READERS),
    "verification-cancel": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "verification-new": Page(ADMIN_AND_AUDITOR, ADMIN_AND_AUDITOR),
    "rewrap": Page(SYSTEM_READERS),
    "rewrap-cancel": Page(ADMIN, ADMIN),
    "rewrap-new": Page(ADMIN, ADMIN),
    # notifications
    "notifications": Page(SYSTEM_READERS),
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
    "service-accounts-page": Page(USER_READERS),
    "all-tokens": Page(USER_READERS),
    "service-account-new": Page(USER_ADMINS, USER_ADMINS),
    "application-connect": Page(ADMIN, ADMIN),
    "service-account-page": Page(USER_READERS),
    "service-account-disable": Page(USER_ADMINS, USER_ADMINS),
    "service-account-enable": Page(USER_ADMINS, USER_ADMINS),
    "service-account-role": Page(USER_ADMINS, USER_ADMINS),
    "service-account-secret": Page(USER_ADMINS, USER_ADMINS),
    "service-account-token-new": Page(USER_ADMINS, USER_ADMINS),
    "root": Page(STRANGERS),
    "first-key": Page(ADMIN_AND_DEVELOPER, ADMIN_AND_DEVELOPER),
    "first-key-decrypt": Page(post=ADMIN_AND_DEVELOPER),
    "home": Page(EVERYBODY),
    "usage": Page(READERS),
    "usage-file": Page(READERS),
    "system": Page(SYSTEM_READERS),
    "backups": Page(SYSTEM_READERS),
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
