"""Names of the audit actions for accounts."""

from collections.abc import Mapping
from typing import Final

SESSION_OPENED = "accounts.session.opened"
SESSION_REFRESHED = "accounts.session.refreshed"
SESSION_CLOSED = "accounts.session.closed"
IDENTITY_CONFIRMED = "accounts.identity.confirmed"
IDENTITY_LINKED = "accounts.identity.linked"
SESSION_EXTENDED = "accounts.session.extended"
APPEARANCE_READ = "accounts.appearance.read"
APPEARANCE_CHANGED = "accounts.appearance.changed"
PROFILE_READ = "accounts.profile.read"
SESSION_READ = "accounts.session.read"
SESSION_LISTED = "accounts.session.listed"
SESSION_REVOKED = "accounts.session.revoked"
FAMILY_REVOKED = "accounts.family.revoked"

USER_LISTED = "accounts.user.listed"
USER_READ = "accounts.user.read"
USER_CREATED = "accounts.user.created"
USER_UPDATED = "accounts.user.updated"
USER_ROLE_CHANGED = "accounts.user.role_changed"
USER_DISABLED = "accounts.user.disabled"
USER_ENABLED = "accounts.user.enabled"
USER_SIGNED_OUT = "accounts.user.signed_out"
USER_UNLOCKED = "accounts.user.unlocked"
INVITATION_ISSUED = "accounts.invitation.issued"
INVITATION_REVOKED = "accounts.invitation.revoked"
INVITATION_READ = "accounts.invitation.read"
INVITATION_ACCEPTED = "accounts.invitation.accepted"
PASSWORD_SET = "accounts.password.set"  # noqa: S105 - an audit action name
PASSWORD_CHANGED = "accounts.password.changed"  # noqa: S105 - an audit action name

PASSKEY_LISTED = "accounts.passkey.listed"
PASSKEY_CHANGED = "accounts.passkey.changed"
PASSKEY_ADDED = "accounts.passkey.added"
PASSKEY_RENAMED = "accounts.passkey.renamed"
PASSKEY_REMOVED = "accounts.passkey.removed"
PASSKEY_USED = "accounts.passkey.used"

SIGNING_KEY_PUBLISHED = "accounts.signing_key.published"
SIGNING_KEYS_READ = "accounts.signing_key.read"
SIGNING_KEY_ROTATED = "accounts.signing_key.rotated"

TOTP_ENROLLED = "accounts.totp.enrolled"
TOTP_CONFIRMED = "accounts.totp.confirmed"
TOTP_REMOVED = "accounts.totp.removed"
TOTP_RESET = "accounts.totp.reset"
TOTP_READ = "accounts.totp.read"
RECOVERY_CODES_REPLACED = "accounts.recovery_codes.replaced"
RECOVERY_CODES_KEPT = "accounts.recovery_codes.kept"
RECOVERY_CODE_USED = "accounts.recovery_code.used"

SETUP_READ = "accounts.setup.read"
SETUP_LINK_ISSUED = "accounts.setup_link.issued"

SERVICE_ACCOUNT_LISTED = "accounts.service_account.listed"
SERVICE_ACCOUNT_READ = "accounts.service_account.read"
SERVICE_ACCOUNT_CREATED = "accounts.service_account.created"
SERVICE_ACCOUNT_CHANGED = "accounts.service_account.changed"
CLIENT_SECRET_ROTATED = "accounts.client_secret.rotated"  # noqa: S105 - an audit action name

SERVICE_TOKEN_LISTED = "accounts.service_token.listed"  # noqa: S105 - an audit action name
SERVICE_TOKEN_CREATED = "accounts.service_token.created"  # noqa: S105 - an audit action name
SERVICE_TOKEN_ROTATED = "accounts.service_token.rotated"  # noqa: S105 - an audit action name
SERVICE_TOKEN_CHANGED = "accounts.service_token.changed"  # noqa: S105 - an audit action name
SERVICE_TOKEN_REVOKED = "accounts.service_token.revoked"  # noqa: S105 - an audit action name
SERVICE_TOKEN_ISSUED = "accounts.service_token.issued"  # noqa: S105 - an audit action name

LABELS: Final[Mapping[str, str]] = {
    SESSION_OPENED: "Sign in",
    SESSION_REFRESHED: "Refresh token",
    SESSION_CLOSED: "Sign out",
    IDENTITY_CONFIRMED: "Confirm identity",
    IDENTITY_LINKED: "Link external identity",
    SESSION_EXTENDED: "Extend session",
    APPEARANCE_READ: "View appearance",
    APPEARANCE_CHANGED: "Change appearance",
    PROFILE_READ: "View profile",
    SESSION_READ: "View session",
    SESSION_LISTED: "List sessions",
    SESSION_REVOKED: "End session",
    FAMILY_REVOKED: "End session after token reuse",
    USER_LISTED: "List users",
    USER_READ: "View user",
    USER_CREATED: "Create user",
    USER_UPDATED: "Change user",
    USER_ROLE_CHANGED: "Change role",
    USER_DISABLED: "Disable user",
    USER_ENABLED: "Enable user",
    USER_SIGNED_OUT: "Sign out everywhere",
    USER_UNLOCKED: "Unlock user",
    INVITATION_ISSUED: "Issue invitation",
    INVITATION_REVOKED: "Revoke invitation",
    INVITATION_READ: "Open invitation",
    INVITATION_ACCEPTED: "Accept invitation",
    PASSWORD_SET: "Set password",
    PASSWORD_CHANGED: "Change password",
    PASSKEY_LISTED: "List passkeys",
    PASSKEY_CHANGED: "Change passkey",
    PASSKEY_ADDED: "Add passkey",
    PASSKEY_RENAMED: "Rename passkey",
    PASSKEY_REMOVED: "Remove passkey",
    PASSKEY_USED: "Use passkey",
    SIGNING_KEY_PUBLISHED: "Publish signing key",
    SIGNING_KEYS_READ: "Read signing keys",
    SIGNING_KEY_ROTATED: "Rotate signing key",
    TOTP_ENROLLED: "Enrol authenticator",
    TOTP_CONFIRMED: "Confirm authenticator",
    TOTP_REMOVED: "Remove authenticator",
    TOTP_RESET: "Reset authenticator",
    TOTP_READ: "View authenticator",
    RECOVERY_CODES_REPLACED: "Replace recovery codes",
    RECOVERY_CODES_KEPT: "Keep recovery codes",
    RECOVERY_CODE_USED: "Use recovery code",
    SERVICE_ACCOUNT_LISTED: "List service accounts",
    SERVICE_ACCOUNT_READ: "View service account",
    SERVICE_ACCOUNT_CREATED: "Create service account",
    SERVICE_ACCOUNT_CHANGED: "Change service account",
    CLIENT_SECRET_ROTATED: "Rotate client secret",
    SERVICE_TOKEN_LISTED: "List tokens",
    SERVICE_TOKEN_CREATED: "Create token",
    SERVICE_TOKEN_ROTATED: "Rotate token",
    SERVICE_TOKEN_CHANGED: "Shorten token lifetime",
    SERVICE_TOKEN_REVOKED: "Revoke token",
    SERVICE_TOKEN_ISSUED: "Issue token",
    SETUP_READ: "Open set-up page",
    SETUP_LINK_ISSUED: "Issue set-up link",
}
