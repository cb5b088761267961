"""The tables of who may ask."""

from accounts.models.setup import SetupLink
from accounts.models.tokens import RefreshToken, SigningKey, TokenFamily
from accounts.models.totp import RecoveryCode, TotpDevice
from accounts.models.users import LoginAttempt, User

__all__ = [
    "LoginAttempt",
    "RecoveryCode",
    "RefreshToken",
    "SetupLink",
    "SigningKey",
    "TokenFamily",
    "TotpDevice",
    "User",
]
