"""Responses of a server in memory, and what the tests of requests share."""

import base64

import httpx

from ciphercanary_client.transfers import stream_size

URL, TOKEN = "https://keys.example.org", "cct_secret-token"
KEY = {
    "id": "66754b2e-0d85-4f16-bca3-6d65ddf0ba6c",
    "name": "orders",
    "algorithm": "aes-256",
    "purpose": "encrypt",
    "status": "active",
    "modes": ["aes-256-gcm", "aes-256-gcm-siv"],
    "operations": ["encrypt", "decrypt"],
    "primary_version": 2,
}
PROBLEM = {"code": "audit_unavailable", "detail": "Retry."}
LOST = httpx.ReadError("reset")


def b64(octets):
    return base64.b64encode(octets).decode()


def sealed(size):
    """A stream of the server with a plaintext of this size."""
    return bytes(stream_size(size))
