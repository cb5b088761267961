"""The two ceremonies of WebAuthn, as django-otp-webauthn holds them, with what we ask for beyond its defaults.

User verification is always required: the device has asked for its PIN or its owner's finger, so a passkey is two
factors. It is always one that the device finds by itself, so that nobody is asked for a name first.
"""

import base64
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

type Options = dict[str, Any]
type State = dict[str, Any]


class NotAccepted(Exception):
    """What a browser sent as the outcome of a ceremony is none, or is none of this one."""


class Ceremony(WebAuthnHelper):  # type: ignore[misc]  # the package ships no types
    def __init__(self, name: str = "") -> None:
        """``name`` is that of a new passkey."""
        super().__init__(HttpRequest())  # asked by callables among the settings only, and there are none
        self.name = name

    def get_generate_registration_options_kwargs(self, *, user: User) -> dict[str, Any]:
        asked: dict[str, Any] = super().get_generate_registration_options_kwargs(user=user)
        asked["authenticator_selection"] = AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return asked

    def create_credential(self, *args: Any, **kwargs: Any) -> Passkey:
        """The row with its MAC; the package saves it once more, as it is."""
        passkey: Passkey = super().create_credential(*args, **kwargs)
        passkey.name = self.name
        passkey.credential_id_sha256 = Passkey.get_credential_id_sha256(passkey.credential_id)
        passkey.save_with_mac()
        return passkey

    def create_attestation(self, *args: Any, **kwargs: Any) -> None:
        """None is asked for, so none is kept: who made a device is nothing that we would decide by."""


def read_answer(text: str) -> dict[str, Any]:
    """What ``static/js/passkeys.js`` sent: the members that we use, and no others. Raises NotAccepted."""
    try:
        sent = json.loads(text)
        answer = {name: sent[name] for name in ("id", "rawId", "type", "response")}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotAccepted from None
    if not isinstance(answer["rawId"], str) or not isinstance(answer["response"], dict):
        raise NotAccepted
    return answer


def names_owner(answer: Mapping[str, Any], user: User) -> bool:
    """Whether the device says that the passkey is that user's (WebAuthn section 7.2, step 6)."""
    handle = base64.urlsafe_b64encode(WebAuthnUserHandle.get_handle_for_user(user)).rstrip(b"=").decode()
    return str(answer["response"].get("userHandle", "")).rstrip("=") == handle


@contextmanager
def accepting() -> Iterator[None]:
    """Whatever the libraries find wrong with an answer is one refusal, NotAccepted."""
    try:
        yield
    except (WebAuthnException, OTPWebAuthnApiError, ValueError, TypeError, KeyError, AttributeError):
        # Beside their own exceptions they let those of parsing pass, of what a stranger sent.
        raise NotAccepted from None
