"""Names of the audit actions for accounts."""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

SESSION_OPENED: Final = LABELS.add("accounts.session.opened", "Sign in")
SESSION_REFRESHED: Final = LABELS.add("accounts.session.refreshed", "Refresh token")
SESSION_CLOSED: Final = LABELS.add("accounts.session.closed", "Sign out")
IDENTITY_CONFIRMED: Final = LABELS.add("accounts.identity.confirmed", "Confirm identity")
IDENTITY_LINKED: Final = LABELS.add("accounts.identity.linked", "Link external identity")
SESSION_EXTENDED: Final = LABELS.add("accounts.session.extended", "Extend session")
APPEARANCE_READ: Final = LABELS.add("accounts.appearance.read", "View appearance")
APPEARANCE_CHANGED: Final = LABELS.add("accounts.appearance.changed", "Change appearance")
PROFILE_READ: Final = LABELS.add("accounts.profile.read", "View profile")
SESSION_READ: Final = LABELS.add("accounts.session.read", "View session")
SESSION_LISTED: Final = LABELS.add("accounts.session.listed", "List sessions")
SESSION_REVOKED: Final = LABELS.add("accounts.session.revoked", "End session")
FAMILY_REVOKED: Final = LABELS.add("accounts.family.revoked", "End session after token reuse")

USER_LISTED: Final = LABELS.add("accounts.user.listed", "List users")
USER_READ: Final = LABELS.add("accounts.user.read", "View user")
USER_CREATED: Final = LABELS.add_guarded("accounts.user.created", "Create user")
USER_UPDATED: Final = LABELS.add_guarded("accounts.user.updated", "Change user")
USER_ROLE_CHANGED: Final = LABELS.add_guarded("accounts.user.role_changed", "Change role")
USER_DISABLED: Final = LABELS.add_guarded("accounts.user.disabled", "Disable user")
USER_ENABLED: Final = LABELS.add_guarded("accounts.user.enabled", "Enable user")
USER_SIGNED_OUT: Final = LABELS.add_guarded("accounts.user.signed_out", "Sign out everywhere")
USER_UNLOCKED: Final = LABELS.add_guarded("accounts.user.unlocked", "Unlock user")
INVITATION_ISSUED: Final = LABELS.add_guarded("accounts.invitation.issued", "Issue invitation")
INVITATION_REVOKED: Final = LABELS.add_guarded("accounts.invitation.revoked", "Revoke invitation")
INVITATION_READ: Final = LABELS.add("accounts.invitation.read", "Open invitation")
INVITATION_ACCEPTED: Final = LABELS.add("accounts.invitation.accepted", "Accept invitation")
PASSWORD_RESET_ISSUED: Final = LABELS.add_guarded("accounts.password_reset.issued", "Issue password reset")
PASSWORD_RESET_READ: Final = LABELS.add("accounts.password_reset.read", "Open password reset")
PASSWORD_RESET_USED: Final = LABELS.add("accounts.password_reset.used", "Use password reset")
PASSWORD_SET: Final = LABELS.add("accounts.password.set", "Set password")
PASSWORD_CHANGED: Final = LABELS.add("accounts.password.changed", "Change password")

PASSKEY_LISTED: Final = LABELS.add("accounts.passkey.listed", "List passkeys")
PASSKEY_CHANGED: Final = LABELS.add("accounts.passkey.changed", "Change passkey")
PASSKEY_ADDED: Final = LABELS.add("accounts.passkey.added", "Add passkey")
PASSKEY_RENAMED: Final = LABELS.add("accounts.passkey.renamed", "Rename passkey")
PASSKEY_REMOVED: Final = LABELS.add("accounts.passkey.removed", "Remove passkey")
PASSKEY_USED: Final = LABELS.add("accounts.passkey.used", "Use passkey")

SIGNING_KEY_PUBLISHED: Final = LABELS.add("accounts.signing_key.published", "Publish signing key")
SIGNING_KEYS_READ: Final = LABELS.add("accounts.signing_key.read", "Read signing keys")
SIGNING_KEY_ROTATED: Final = LABELS.add("accounts.signing_key.rotated", "Rotate signing key")

TOTP_ENROLLED: Final = LABELS.add("accounts.totp.enrolled", "Enrol authenticator")
TOTP_CONFIRMED: Final = LABELS.add("accounts.totp.confirmed", "Confirm authenticator")
TOTP_REMOVED: Final = LABELS.add("accounts.totp.removed", "Remove authenticator")
TOTP_RESET: Final = LABELS.add_guarded("accounts.totp.reset", "Reset authenticator")
TOTP_READ: Final = LABELS.add("accounts.totp.read", "View authenticator")
RECOVERY_CODES_REPLACED: Final = LABELS.add("accounts.recovery_codes.replaced", "Replace recovery codes")
RECOVERY_CODES_KEPT: Final = LABELS.add("accounts.recovery_codes.kept", "Keep recovery codes")
RECOVERY_CODE_USED: Final = LABELS.add("accounts.recovery_code.used", "Use recovery code")

SETUP_READ: Final = LABELS.add("accounts.setup.read", "Open set-up page")
SETUP_LINK_ISSUED: Final = LABELS.add("accounts.setup_link.issued", "Issue set-up link")

ROLE_LISTED: Final = LABELS.add("accounts.role.listed", "List roles")
ROLE_READ: Final = LABELS.add("accounts.role.read", "View role")
ROLE_CREATED: Final = LABELS.add_guarded("accounts.role.created", "Create role")
ROLE_CHANGED: Final = LABELS.add_guarded("accounts.role.changed", "Change permissions of role")
ROLE_DELETED: Final = LABELS.add_guarded("accounts.role.deleted", "Delete role")

SERVICE_ACCOUNT_LISTED: Final = LABELS.add("accounts.service_account.listed", "List service accounts")
SERVICE_ACCOUNT_READ: Final = LABELS.add("accounts.service_account.read", "View service account")
SERVICE_ACCOUNT_CREATED: Final = LABELS.add_guarded(
    "accounts.service_account.created", "Create service account"
)
SERVICE_ACCOUNT_CHANGED: Final = LABELS.add_guarded(
    "accounts.service_account.changed", "Change service account"
)
CLIENT_SECRET_ROTATED: Final = LABELS.add_guarded("accounts.client_secret.rotated", "Rotate client secret")

SERVICE_TOKEN_LISTED: Final = LABELS.add("accounts.service_token.listed", "List tokens")
SERVICE_TOKEN_CREATED: Final = LABELS.add_guarded("accounts.service_token.created", "Create token")
SERVICE_TOKEN_ROTATED: Final = LABELS.add_guarded("accounts.service_token.rotated", "Rotate token")
SERVICE_TOKEN_CHANGED: Final = LABELS.add("accounts.service_token.changed", "Shorten token lifetime")
SERVICE_TOKEN_REVOKED: Final = LABELS.add_guarded("accounts.service_token.revoked", "Revoke token")
SERVICE_TOKEN_ISSUED: Final = LABELS.add("accounts.service_token.issued", "Issue token")
SERVICE_TOKEN_USED: Final = LABELS.add("accounts.service_token.used", "Use token")
