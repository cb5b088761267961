"""Password rules: 12 to 128 characters, and no password that attackers try first. There are no other rules."""

import string

from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    UserAttributeSimilarityValidator,
    validate_password,
)
from django.core.exceptions import ValidationError

from accounts.models import User
from kernel.errors import Invalid

MIN_LENGTH, MAX_LENGTH = 12, 128
FEWEST_CHARACTERS = 5  # distinct characters
SHORTEST_WORD = 4  # because the list also contains single letters
PADDING = string.digits + string.punctuation + string.whitespace
# The product's name, and the example in README.md, which is public and easily copied unchanged.
PUBLISHED = {"ciphercanary", "replace this with your own"}


class MaximumLengthValidator:
    """Django has a minimum only. Without a maximum, a request could make the hash expensive."""

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: object = None) -> None:  # noqa: ARG002 - Django's signature
        if len(password) > self.max_length:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"Use at most {self.max_length} characters."


class GuessablePasswordValidator(CommonPasswordValidator):
    """Rejects Django's 20,000 common passwords and their usual variants.

    Few entries in the list have 12 characters, so the password is also compared without repetition, and without
    the digits, punctuation and spaces around it. The user's name and email address count as common passwords, and
    so do the published ones. Django's validator checks the similarity to the name and the address.
    """

    similarity = UserAttributeSimilarityValidator(user_attributes=("username", "email"))

    def validate(self, password: str, user: User | None = None) -> None:
        super().validate(password, user)
        text = password.lower()[:MAX_LENGTH]
        period = _period(text)
        if len(set(text)) < FEWEST_CHARACTERS or (period < MIN_LENGTH and period * 2 <= len(text)):
            raise ValidationError(
                "This password repeats the same few characters. Use a longer, more varied password.",
                code="password_repeats",
            )
        core = _core(text)
        if len(core) >= SHORTEST_WORD and core in self.passwords | PUBLISHED:
            message = "This password is too common. Use a less predictable password."
            raise ValidationError(message, code="password_too_common")
        if core and core in map(_core, _names_of(user)):
            raise ValidationError(
                "This password matches your username or email address. Choose another password.",
                code="password_too_similar",
            )
        self.similarity.validate(password, user)


def require_acceptable(password: str, user: User | None, *, field: str = "password") -> None:
    """Raises Invalid, naming the field, if ``AUTH_PASSWORD_VALIDATORS`` reject the password for this user."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("This password is not strong enough.", fields={field: error.messages}) from None


def _names_of(user: User | None) -> list[str]:
    email = getattr(user, "email", None) or ""
    return [getattr(user, "username", ""), email, email.partition("@")[0]]


def _core(text: str) -> str:
    """The text without repetition and without padding at its ends: ``password`` for ``Password-password1!``."""
    text = text.lower().strip(PADDING)
    return text[: _period(text)].strip(PADDING)


def _period(text: str) -> int:
    """The length of the shortest part that forms the text by repetition: 3 for ``abcabcab``."""
    return next((n for n in range(1, len(text)) if text[n:] == text[:-n]), len(text))
