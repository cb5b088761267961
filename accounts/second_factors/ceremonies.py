"""WebAuthn registration and authentication: django-otp-webauthn with stricter requirements than its defaults.

User verification is always required: the device checks a PIN or a fingerprint, so a passkey counts as two
factors. Passkeys must be discoverable by the device, so that users do not have to enter a username first.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnUserHandle
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.models import Passkey, User
from kernel.crypto.encoding import encode_base64url

type Options = dict[str, Any]
type State = dict[str, Any]


class NotAccepted(Exception):
    """The browser's response is malformed, or does not belong to this ceremony."""


class Ceremony(WebAuthnHelper):  # type: ignore[misc]  # the package ships no types
    def __init__(self, name: str = "") -> None:
        """``name`` is the name of a new passkey."""
        super().__init__(HttpRequest())  # only callables in the settings use the request, and there are none
        self.name = name

    def get_generate_registration_options_kwargs(self, *, user: User) -> dict[str, Any]:
        asked: dict[str, Any] = super().get_generate_registration_options_kwargs(user=user)
        asked["authenticator_selection"] = AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return asked

    def create_credential(self, *args: Any, **kwargs: Any) -> Passkey:
        """Create the row with its MAC. The package then saves it again without changes."""
        passkey: Passkey = super().create_credential(*args, **kwargs)
        passkey.name = self.name
        passkey.credential_id_sha256 = Passkey.get_credential_id_sha256(passkey.credential_id)
        passkey.save_with_mac()
        return passkey

    def create_attestation(self, *args: Any, **kwargs: Any) -> None:
        """Store no attestation. None is requested: the authenticator's manufacturer does not affect any decision."""


def read_credential(text: str) -> dict[str, Any]:
    """Parse the response from ``static/js/passkeys.js`` and keep only the members in use. Raises NotAccepted."""
    try:
        sent = json.loads(text)
        credential = {name: sent[name] for name in ("id", "rawId", "type", "response")}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotAccepted from None
    if not isinstance(credential["rawId"], str) or not isinstance(credential["response"], dict):
        raise NotAccepted
    return credential


def names_owner(credential: Mapping[str, Any], user: User) -> bool:
    """Whether the device reports ``user`` as the owner of the passkey (WebAuthn section 7.2, step 6)."""
    handle = encode_base64url(WebAuthnUserHandle.get_handle_for_user(user))
    return str(credential["response"].get("userHandle", "")).rstrip("=") == handle


@contextmanager
def accepting() -> Iterator[None]:
    """Convert every library error about a bad response to NotAccepted."""
    try:
        yield
    except (WebAuthnException, OTPWebAuthnApiError, ValueError, TypeError, KeyError, AttributeError):
        # Besides their own exceptions, the libraries let errors from parsing untrusted input pass through.
        raise NotAccepted from None
