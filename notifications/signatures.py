"""Signatures of webhooks (Standard Webhooks 1.0.0, https://www.standardwebhooks.com).

The signature is HMAC-SHA-256 over ``<id>.<timestamp>.<body>``. The secret has 32 random bytes, and its text is
``whsec_`` and their base64.
"""

from collections.abc import Mapping
from typing import Final

from kernel.crypto.encoding import encode_base64
from kernel.crypto.mac import Mac

_PREFIX: Final = "whsec_"
SECRET_SIZE: Final = 32


def secret_text(secret: bytes) -> str:
    return _PREFIX + encode_base64(secret)


def signature_headers(mac: Mac, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The three headers. ``timestamp`` is in seconds since 1970; receivers refuse old ones, which may be replayed."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{encode_base64(mac.compute(signed))}",
    }
