"""The operations that a page offers for a key, and the reasons why some are currently unavailable."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from accounts.principals import Principal
from accounts.roles import permission_of
from audit.services.reading import last_done
from kernel.clock import process_now
from kernel.errors import Refused
from keys import actions, capabilities, lifecycle
from keys.explanations import OPERATION_LABELS
from keys.lifecycle import LifecycleState, State, Status
from keys.models import Key

DECRYPT_OFF: Final = "Decryption in the browser is turned off on this server. Use the API to decrypt."
# The operations that show what a key protects, or a secret that follows from it.
REVEALING: Final = frozenset({"decrypt", "decapsulate", "agree", "derive"})
# On the page, an operation is done once. A certificate signing request has no permission of its own.
TRIAL_LABELS: Final[Mapping[str, str]] = {
    **OPERATION_LABELS,
    "data_key": "Generate a data key",
    "derive": "Derive a key",
    "jwt": "Sign a JWT",
    "csr": "Sign a CSR",
}


@dataclass(frozen=True, slots=True)
class OperationChoice:
    """An operation, named as in ``TRIAL_LABELS``; ``reason`` is empty if it is available."""

    word: str
    reason: str

    @property
    def label(self) -> str:
        return TRIAL_LABELS[self.word]

    def __str__(self) -> str:
        return self.label


def operation_choices(principal: Principal, key: Key) -> list[OperationChoice]:
    """The operations that the role permits, each with the reason if it is currently unavailable."""
    at = key.lifecycle_state(process_now())
    able, never = capabilities.operations(key, at.state), capabilities.excluded_operations(key)
    words = [
        word
        for word in lifecycle.operations_of(key.algorithm, key.purpose)
        if principal.has_permission(permission_of(word))
    ]
    reason = "" if set(words) <= {*able, *never} else f"{key.name} {_state_sentence(key, at)}."
    return [
        OperationChoice(word, _limit(key) if word in never else "" if word in able else reason)
        for word in words
    ]


def console_operation_choices(principal: Principal, key: Key) -> list[OperationChoice]:
    """The same for the console, where decryption may be switched off."""
    choices = operation_choices(principal, key)
    choices += [OperationChoice("csr", choice.reason) for choice in choices if choice.word == "sign"]
    if settings.CC_CONSOLE_DECRYPT:
        return choices
    return [
        OperationChoice(choice.word, DECRYPT_OFF) if choice.word in REVEALING else choice
        for choice in choices
    ]


def _limit(key: Key) -> str:
    """Why an imported key cannot do something in any state."""
    if not key.has_private_key:
        return "Only the public key is on this server."
    return f"Keys of type {key.algorithm} only work for existing data."


def require_console_decrypt() -> None:
    """For every page that decrypts. Raises Refused if decryption is switched off."""
    if not settings.CC_CONSOLE_DECRYPT:
        raise Refused(DECRYPT_OFF)


def _state_sentence(key: Key, at: LifecycleState) -> str:
    """The state of a key and since when, as the end of a sentence that begins with its name."""
    if at.status is Status.PENDING:
        when = key.activates_at
        return f"becomes active on {_timestamp(when)}" if when else "is not active yet and must be activated"
    if at.status is Status.EXPIRED and key.expires_at:
        return f"expired on {_timestamp(key.expires_at)}"
    if at.status is Status.DISABLED:
        return _decided(key, "disabled", actions.KEY_DISABLED)
    if at.status is Status.REVOKED:
        word = "marked as compromised" if at.state is State.COMPROMISED else "revoked"
        return _decided(key, word, actions.KEY_REVOKED)
    return f"is {at.word}"


def _decided(key: Key, word: str, action: str) -> str:
    when = last_done(object_id=str(key.id), action=action)
    return f"was {word} on {_timestamp(when)}" if when else f"is {word}"


def _timestamp(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%MZ}"
