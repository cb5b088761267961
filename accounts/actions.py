"""The words under which the audit log keeps what happens to accounts."""

SESSION_OPENED = "accounts.session.opened"
SESSION_REFRESHED = "accounts.session.refreshed"
SESSION_CLOSED = "accounts.session.closed"
IDENTITY_CONFIRMED = "accounts.identity.confirmed"
SESSION_EXTENDED = "accounts.session.extended"
APPEARANCE_READ = "accounts.appearance.read"
APPEARANCE_CHANGED = "accounts.appearance.changed"
PROFILE_READ = "accounts.profile.read"
SESSION_READ = "accounts.session.read"
SESSION_LISTED = "accounts.session.listed"
SESSION_REVOKED = "accounts.session.revoked"
FAMILY_REVOKED = "accounts.family.revoked"

USER_CREATED = "accounts.user.created"
USER_ROLE_CHANGED = "accounts.user.role_changed"
USER_DISABLED = "accounts.user.disabled"
USER_ENABLED = "accounts.user.enabled"
USER_SIGNED_OUT = "accounts.user.signed_out"
USER_UNLOCKED = "accounts.user.unlocked"
PASSWORD_SET = "accounts.password.set"  # noqa: S105 - a word of the audit log
PASSWORD_CHANGED = "accounts.password.changed"  # noqa: S105 - a word of the audit log

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
