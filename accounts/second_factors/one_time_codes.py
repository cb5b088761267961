"""One-time codes as pure functions: TOTP (RFC 6238) and recovery codes. They use neither the ORM nor a clock."""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

from django_otp.oath import TOTP

from kernel.crypto.material import KeyMaterial

_SEED_SIZE: Final = 20  # bytes; RFC 4226 section 4, R6 recommends 160 bits
_STEP: Final = 30  # seconds
_DIGITS: Final = 6
_STEPS_BACK: Final = 1  # accepted for codes that take a moment to type (RFC 6238 section 5.2)

_RECOVERY_CODES: Final = 10
_RECOVERY_CODE_SIZE: Final = 10  # bytes; 80 random bits make a search through the hashes infeasible

_ISSUER: Final = "CipherCanary"

_TOTP_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s-]+")


def new_seed() -> KeyMaterial:
    return KeyMaterial.generate(_SEED_SIZE)


def seed_text(seed: KeyMaterial) -> str:
    """Base32 without padding, for manual entry in an authenticator app."""
    return base64.b32encode(seed.expose()).decode().rstrip("=")  # noqa: CC1 - a TOTP seed becomes the text of RFC 6238


def otpauth_uri(seed: KeyMaterial, username: str) -> str:
    """The ``otpauth://`` URI that authenticator apps read as a QR code (Key URI Format)."""
    label = quote(f"{_ISSUER}:{username}")
    query = urlencode(
        {
            "secret": seed_text(seed),
            "issuer": _ISSUER,
            "algorithm": "SHA1",
            "digits": _DIGITS,
            "period": _STEP,
        }
    )
    return f"otpauth://totp/{label}?{query}"


def clean_code(code: str) -> str:
    """Normalize a code for comparison: remove separators and convert it to upper case."""
    return _SEPARATORS.sub("", code).upper()


def is_totp_code(code: str) -> bool:
    """Whether a normalized code has the form of a TOTP code. Any other form is treated as a recovery code."""
    return _TOTP_CODE.fullmatch(code) is not None


def matching_step(seed: KeyMaterial, code: str, now: datetime) -> int | None:
    """The time step of the code: the current or the previous one. None if the code matches neither.

    All candidates are computed and compared in constant time, so the duration does not reveal anything about the
    code.
    """
    matches = [
        step for step, expected in _candidates(seed, now) if hmac.compare_digest(expected, code.encode())
    ]
    return max(matches, default=None)


def _candidates(seed: KeyMaterial, now: datetime) -> list[tuple[int, bytes]]:
    totp = TOTP(seed.expose(), step=_STEP, digits=_DIGITS)  # noqa: CC1 - a TOTP seed becomes the codes of RFC 6238
    totp.time = now.timestamp()
    candidates = []
    for steps_back in range(_STEPS_BACK + 1):
        totp.drift = -steps_back
        candidates.append((int(totp.t()), f"{totp.token():0{_DIGITS}d}".encode()))
    return candidates


def new_recovery_codes() -> list[str]:
    """Ten codes of four groups of four Base32 characters. Base32 has no 0, 1, 8 or 9, which are easily misread."""
    return [_new_recovery_code() for _ in range(_RECOVERY_CODES)]


def _new_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_SIZE)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def recovery_code_hash(device_id: UUID, code: str) -> str:
    """SHA-256 in hexadecimal, bound to the device. The code is random, so it needs no slow hash."""
    return hashlib.sha256(b"cc/recovery/v1\x00" + device_id.bytes + clean_code(code).encode()).hexdigest()
