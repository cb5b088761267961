"""Which passwords are accepted: 12 to 128 characters, none that everybody tries first, no other rules."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from ciphercanary.errors import Invalid


class MaximumLengthValidator:
    """Django brings a lower bound only; without an upper one a request could make the hash expensive."""

    def __init__(self, max_length: int = 128) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: object = None) -> None:  # noqa: ARG002 - Django's signature
        if len(password) > self.max_length:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"The password may have at most {self.max_length} characters."


def require_acceptable(password: str, *, field: str = "password") -> None:
    """Raises Invalid, naming the field, where ``AUTH_PASSWORD_VALIDATORS`` refuse the password."""
    try:
        validate_password(password)
    except ValidationError as error:
        raise Invalid("This password is not accepted.", fields={field: error.messages}) from None
