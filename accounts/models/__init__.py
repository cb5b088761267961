"""The tables of who may ask."""

from accounts.models.browser_sessions import BrowserSession
from accounts.models.setup import SetupLink
from accounts.models.tokens import RefreshToken, SigningKey, TokenFamily
from accounts.models.totp import RecoveryCode, TotpDevice
from accounts.models.users import LONGEST_USER_AGENT, LoginAttempt, User

__all__ = [
    "LONGEST_USER_AGENT",
    "BrowserSession",
    "LoginAttempt",
    "RecoveryCode",
    "RefreshToken",
    "SetupLink",
    "SigningKey",
    "TokenFamily",
    "TotpDevice",
    "User",
]
