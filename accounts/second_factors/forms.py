"""Account forms. They never redisplay secrets."""

import re
from typing import Any
from uuid import UUID

from django import forms

from kernel.pages.forms import PageForm

RECOVERY_CODE = re.compile(r"([A-Z2-7]{4}-){3}[A-Z2-7]{4}", re.ASCII)
CHOOSING_HELP = (
    "Use 12 to 128 characters. Do not use a common password, your name, a row of keys or repeated characters. Four or "
    "five unrelated words make a strong password."
)
SECRET_LIMIT = 1024  # characters, as in the API
TOTP_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


def password_field(label: str, autocomplete: str, help_text: str = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, max_length=SECRET_LIMIT, strip=False, widget=widget, help_text=help_text
    )


class CodeInput(forms.TextInput):
    """Shows the code while it is typed, and never redisplays it."""

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
    """A code from the authenticator, for which phones show a numeric keyboard, or a recovery code."""

    template_name = "accounts/code_form.html"

    code = forms.CharField(
        label="Six-digit code",
        required=False,
        max_length=64,
        help_text="Enter the code from your authenticator app.",
        widget=CodeInput(attrs=TOTP_CODE | {"autofocus": True}),
    )
    recovery_code = forms.CharField(
        required=False,
        max_length=64,
        help_text="Each recovery code works once.",
        widget=CodeInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """``code`` is the one that was given."""
        given = super().clean() or {}
        code = given.get("code") or given.get("recovery_code")
        if not code and not self.errors:
            self.add_error("code", "Enter the code from your authenticator app, or a recovery code.")
        return given | {"code": code}


class ConfirmPasswordForm(PageForm):
    password = password_field("Password", "current-password")


class TotpCodeForm(PageForm):
    """The first code of a new authenticator. Recovery codes are not accepted here."""

    code = forms.CharField(
        label="Six-digit code",
        max_length=8,  # allows for the space that some apps show
        widget=CodeInput(attrs=TOTP_CODE),
    )


class KeptCodesForm(PageForm):
    """Carries the recovery codes from the page that shows them, because the server stores only their hashes."""

    codes = forms.CharField(
        required=False, max_length=256, widget=forms.HiddenInput(attrs={"autocomplete": "off"})
    )
    saved = forms.BooleanField(
        label="I have saved these codes", error_messages={"required": "Save the codes, then select this box."}
    )

    def given_codes(self) -> list[str]:
        """The submitted codes. Empty unless all of them are well formed, so that no other text is echoed."""
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
    """Ends one session by its ID, or all ``others``."""

    session = forms.CharField(max_length=36, widget=forms.HiddenInput)

    def clean_session(self) -> UUID | None:
        """None means all other sessions."""
        asked = self.cleaned_data["session"]
        if asked == "others":
            return None
        try:
            return UUID(asked)
        except ValueError:
            raise forms.ValidationError("Choose a session from the list.") from None


class SetUpForm(PageForm):
    """Creates the first administrator."""

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
        # Required before the browser calls the device. Otherwise the device could keep a passkey that is not
        # registered here.
        widget=forms.TextInput(attrs={"autocomplete": "off", "required": True}),
    )


class PasskeyForm(PageForm):
    """Renames or removes one passkey of the list."""

    operation = forms.ChoiceField(
        choices=[("rename", "Rename"), ("remove", "Remove")], widget=forms.HiddenInput
    )
    passkey = forms.UUIDField(widget=forms.HiddenInput)
    name = forms.CharField(required=False, max_length=64)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("operation") == "rename" and not found.get("name"):
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
