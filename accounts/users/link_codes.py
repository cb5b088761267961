"""Codes of links that work once: the set-up link of the first administrator, invitations and password resets."""

import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.urls import reverse

SETUP_LIFE: Final = timedelta(minutes=15)
INVITATION_LIFE: Final = timedelta(days=7)
PASSWORD_RESET_LIFE: Final = timedelta(hours=24)
# Also matches a code that was truncated in copying, because its page explains how to get a new link.
PATTERN: Final = "[A-Za-z0-9_-]{20,100}"


def new_code() -> str:
    """256 random bits, in a length and alphabet that ``kernel.observability.logs`` recognizes as a credential."""
    return secrets.token_urlsafe(32)


def setup_url(code: str) -> str:
    """The URL to open in a browser."""
    return f"{settings.CC_PUBLIC_URL}{reverse('setup-link', args=[code])}"


def invitation_url(code: str) -> str:
    """The URL to open in a browser."""
    return f"{settings.CC_PUBLIC_URL}{reverse('invitation', args=[code])}"


def password_reset_url(code: str) -> str:
    """The URL to open in a browser."""
    return f"{settings.CC_PUBLIC_URL}{reverse('password-reset', args=[code])}"
