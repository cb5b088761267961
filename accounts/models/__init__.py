"""The tables of who may ask."""

from accounts.models.tokens import RefreshToken, SigningKey, TokenFamily
from accounts.models.users import LoginAttempt, User

__all__ = ["LoginAttempt", "RefreshToken", "SigningKey", "TokenFamily", "User"]
