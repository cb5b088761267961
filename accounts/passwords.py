"""Password rules: 12 to 128 characters, and at least 10^9 guesses by an attacker who tries likely passwords first.

zxcvbn (Wheeler, USENIX Security 2016) estimates the guesses. There are no rules about kinds of characters.
"""

import math
import re
from collections.abc import Iterator
from threading import Lock
from typing import Final

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from kernel.errors import Invalid
from kernel.runtime import ProcessState

CHOOSING_HELP = (
    "Use 12 to 128 characters. Do not use a common password, your name, a keyboard pattern such as qwerty, or repeated "
    "characters. Four or five unrelated words make a strong password."
)
SECRET_LIMIT = 1024  # characters of an input; our passwords and tokens are shorter

_MIN_LENGTH, _MAX_LENGTH = 12, 128
_MIN_GUESSES: Final = 10**9  # any three words have 10^8, so this also refuses a name written twice
_MIN_GUESSES_OF_LETTERS: Final = 10**8
_MAX_READ: Final = 32  # characters
_MAX_WORK: Final = 35_000  # substitutions times the square of the characters: about 40 ms
_SHORTEST_NAME: Final = 3  # characters
# The product's name, and the example in README.md, which is public and easily copied unchanged.
_PUBLISHED: Final = ("ciphercanary", "replace this with your own", "replacethiswithyourown")
_TOO_EASY: Final = "This password is too easy to guess."
_OWN_NAME: Final = (
    "Your username, your e-mail address, the name of this product and its examples are easy to guess."
)

_lock = ProcessState(Lock)


class MaximumLengthValidator:
    """Django has a minimum only. Without a maximum, a request could make the hash expensive."""

    def __init__(self, max_length: int = _MAX_LENGTH) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: object = None) -> None:  # noqa: ARG002 - Django's signature
        if len(password) > self.max_length:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"Use at most {self.max_length} characters."


class GuessesValidator:
    """Rejects passwords that need fewer than ``_MIN_GUESSES``, with the advice of zxcvbn.

    The user's name and e-mail address count as the first guesses, and so do the published words. Only the beginning of
    the password counts: a strong one makes the whole strong.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        from zxcvbn import zxcvbn  # noqa: PLC0415 - its words take 14 MiB, and few processes set a password
        from zxcvbn.feedback import get_feedback  # noqa: PLC0415 - likewise

        text = _beginning(password)
        words = [word[: len(text)] for word in _first_guesses(user)]
        for spelling, least in _spellings(text):
            with _lock.current:  # zxcvbn keeps the words of the user in a global variable
                result = zxcvbn(spelling, words)
            if result["guesses"] < least:
                break
        else:
            return
        is_own = any(match.get("dictionary_name") == "user_inputs" for match in result["sequence"])
        advice = get_feedback(0, result["sequence"])
        warning = _OWN_NAME if is_own else advice["warning"]
        message = " ".join(filter(None, [_TOO_EASY, warning, *advice["suggestions"]]))
        raise ValidationError(message, code="password_too_easy")


def require_acceptable(password: str, user: User | None, *, field: str = "password") -> None:
    """Raises Invalid, naming the field, if one of ``AUTH_PASSWORD_VALIDATORS`` rejects the password for this user.

    It takes up to 50 ms. Call it after the check of the caller's permission or code.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("This password is not strong enough.", fields={field: error.messages[:1]}) from None


def _beginning(password: str) -> str:
    """The part of the password that zxcvbn can read within ``_MAX_WORK``, at least ``_MIN_LENGTH`` characters.

    It reads every substring once for each way to replace digits and symbols by letters. 72 characters with all of
    these would take over a second.
    """
    return next(
        (
            password[:length]
            for length in range(min(len(password), _MAX_READ), _MIN_LENGTH, -1)
            if _substitutions(password[:length]) * length**2 <= _MAX_WORK
        ),
        password[:_MIN_LENGTH],
    )


def _spellings(text: str) -> Iterator[tuple[str, int]]:
    """The text with the guesses that it needs, and likewise its letters and digits, if it has hardly anything else.

    Case, punctuation and spaces hide repetitions from zxcvbn: for ``Admin-admin!`` it estimates four unrelated parts.
    """
    yield text, _MIN_GUESSES
    letters = re.sub(r"[\W_]+", "", text).lower()
    if len(letters) * 4 >= len(text) * 3:
        yield letters, _MIN_GUESSES_OF_LETTERS


def _substitutions(text: str) -> int:
    """About how many ways there are to replace the text's digits and symbols by letters."""
    from zxcvbn.matching import L33T_TABLE  # noqa: PLC0415 - likewise

    return math.prod(max(1, len(set(symbols) & set(text))) for symbols in L33T_TABLE.values())


def _first_guesses(user: User | None) -> list[str]:
    names = [getattr(user, "username", ""), getattr(user, "email", None) or ""]
    parts = [part for name in names for part in re.split(r"[\W_]+", name)]
    return [*_PUBLISHED, *(word for word in [*names, *parts] if len(word) >= _SHORTEST_NAME)]


def password_field(label: str, autocomplete: str, help_text: str = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, max_length=SECRET_LIMIT, strip=False, widget=widget, help_text=help_text
    )
