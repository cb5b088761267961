"""Client of CipherCanary: docs/client.md describes it.

with Client() as client:
    ciphertext = client.encrypt("name:orders", b"hello")
"""

from ciphercanary_client.async_client import AsyncClient
from ciphercanary_client.async_envelope import AsyncEnvelope
from ciphercanary_client.client import Client
from ciphercanary_client.data_key_cache import DataKeyLimits
from ciphercanary_client.envelope import Envelope
from ciphercanary_client.errors import (
    ApiError,
    AuthenticationFailed,
    CiphertextRefused,
    Conflict,
    ConnectionFailed,
    DecryptionFailed,
    Error,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Refused,
    ServerFailed,
    Throttled,
    Unavailable,
    VerificationFailed,
)
from ciphercanary_client.models import DataKey, Key, Rotation, Signature
from ciphercanary_client.retries import Retries

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncEnvelope",
    "AuthenticationFailed",
    "CiphertextRefused",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "DataKey",
    "DataKeyLimits",
    "DecryptionFailed",
    "Envelope",
    "Error",
    "InvalidRequest",
    "Key",
    "NotFound",
    "PermissionDenied",
    "Refused",
    "Retries",
    "Rotation",
    "ServerFailed",
    "Signature",
    "Throttled",
    "Unavailable",
    "VerificationFailed",
]
