"""Models of users, credentials and sessions."""

from accounts.models.browser_sessions import BrowserSession
from accounts.models.links import Invitation, SetupLink
from accounts.models.oidc import OidcIdentity
from accounts.models.roles import Role
from accounts.models.service_accounts import ClientSecret, ServiceAccount, ServiceToken
from accounts.models.tokens import RefreshToken, SigningKey, TokenFamily
from accounts.models.totp import RecoveryCode, TotpDevice
from accounts.models.users import LONGEST_USER_AGENT, LoginAttempt, User, UserQuerySet, UserState

# Import this after the users: django_otp_webauthn needs the user model at import time.
from accounts.models.passkeys import Passkey  # isort: skip

__all__ = [
    "LONGEST_USER_AGENT",
    "BrowserSession",
    "ClientSecret",
    "Invitation",
    "LoginAttempt",
    "OidcIdentity",
    "Passkey",
    "RecoveryCode",
    "RefreshToken",
    "Role",
    "ServiceAccount",
    "ServiceToken",
    "SetupLink",
    "SigningKey",
    "TokenFamily",
    "TotpDevice",
    "User",
    "UserQuerySet",
    "UserState",
]
