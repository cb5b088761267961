"""Codes of set-up links: whoever opens one while there is no account makes the first administrator."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

from django.conf import settings
from django.urls import reverse

LIFE: Final = timedelta(minutes=15)
# The codes that URLs carry; also one that was cut off in copying, whose page says how to get another.
PATTERN: Final = "[A-Za-z0-9_-]{20,100}"


def new_code() -> str:
    """256 random bits. Of its length and alphabet, so that ``kernel.observability.logs`` takes it for a credential."""
    return secrets.token_urlsafe(32)


def digest(code: str) -> str:
    """What is stored of a code: it is random enough for a hash without salt."""
    return sha256(code.encode()).hexdigest()


def link_of(code: str) -> str:
    """The address to open in a browser."""
    return f"{settings.CC_PUBLIC_URL}{reverse('setup-link', args=[code])}"
