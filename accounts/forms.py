"""Forms of accounts. Secrets are never put back into a form."""

import re
from typing import Any
from uuid import UUID

from django import forms

from ciphercanary.pages.forms import PageForm

RECOVERY_CODE = re.compile(r"([A-Z2-7]{4}-){3}[A-Z2-7]{4}", re.ASCII)
CHOOSING_HELP = (
    "Use 12 to 128 characters. Do not use a common password, your name or repeated characters. Four or five "
    "unrelated words make a strong password."
)
SECRET_LIMIT = 1024  # characters, as in the API


def password_field(label: str, autocomplete: str, help_text: str = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, max_length=SECRET_LIMIT, strip=False, widget=widget, help_text=help_text
    )


class CodeInput(forms.TextInput):
    """Readable while it is typed, and never put back."""

    def format_value(self, value: Any) -> None:  # noqa: ARG002 - Django's signature
        return None


class LogInForm(PageForm):
    username = forms.CharField(
        max_length=SECRET_LIMIT,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autofocus": True,
                "spellcheck": "false",
                "autocapitalize": "none",
            }
        ),
    )
    password = password_field("Password", "current-password")


class CodeForm(PageForm):
    code = forms.CharField(
        label="Code",
        max_length=64,
        help_text="Enter the six-digit code from your authenticator app, or a recovery code.",
        widget=CodeInput(
            attrs={
                "autocomplete": "one-time-code",
                "autofocus": True,
                "spellcheck": "false",
                "autocapitalize": "none",
            }
        ),
    )


class ConfirmPasswordForm(PageForm):
    password = password_field("Password", "current-password")


class TotpCodeForm(PageForm):
    """The first code of a new authenticator: it stands in no recovery code's stead yet."""

    code = forms.CharField(
        label="Six-digit code",
        max_length=8,  # with a space where the app shows one
        widget=CodeInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
        ),
    )


class KeptCodesForm(PageForm):
    """Carries the recovery codes from the page that shows them: the server keeps none that it could show again."""

    codes = forms.CharField(
        required=False, max_length=256, widget=forms.HiddenInput(attrs={"autocomplete": "off"})
    )
    saved = forms.BooleanField(
        label="I have saved these codes", error_messages={"required": "Save the codes, then select this box."}
    )

    def given_codes(self) -> list[str]:
        """The codes that came along; nothing else is ever sent back."""
        given = self.data.get("codes", "").split()
        return given if all(RECOVERY_CODE.fullmatch(code) for code in given) else []


class ChangePasswordForm(PageForm):
    current = password_field("Current password", "current-password")
    new = password_field(
        "New password",
        "new-password",
        CHOOSING_HELP,
    )


class EndSessionForm(PageForm):
    """One session by its id, or ``others``."""

    session = forms.CharField(max_length=36, widget=forms.HiddenInput)

    def clean_session(self) -> UUID | None:
        """None stands for all others."""
        asked = self.cleaned_data["session"]
        if asked == "others":
            return None
        try:
            return UUID(asked)
        except ValueError:
            raise forms.ValidationError("Choose a session from the list.") from None


class SetUpForm(PageForm):
    """The first administrator."""

    username = forms.CharField(
        max_length=64,
        initial="admin",
        help_text="1 to 64 characters: letters, digits and . _ @ + -",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    password = password_field(
        "Password",
        "new-password",
        CHOOSING_HELP,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs["autofocus"] = True


class NewPasskeyForm(PageForm):
    name = forms.CharField(
        max_length=64,
        help_text="Choose a name you will recognise, such as the device or the password manager.",
        # Asked for before the device is: else it would keep a passkey that nobody else knows of.
        widget=forms.TextInput(attrs={"autocomplete": "off", "required": True}),
    )


class PasskeyActForm(PageForm):
    """What a line of the list does with its passkey."""

    act = forms.ChoiceField(choices=[("rename", "Rename"), ("remove", "Remove")], widget=forms.HiddenInput)
    passkey = forms.UUIDField(widget=forms.HiddenInput)
    name = forms.CharField(required=False, max_length=64)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("act") == "rename" and not found.get("name"):
            self.add_error("name", "Enter a name for the passkey.")
        return found


class AppearanceForm(PageForm):
    theme = forms.ChoiceField(
        choices=[("system", "Same as system"), ("light", "Light"), ("dark", "Dark")],
        widget=forms.RadioSelect,
    )
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts",
        required=False,
        help_text="Use single keys such as / and ? for common actions.",
    )
