"""Account forms. They never redisplay secrets."""

import re
from typing import Any

from django import forms

from kernel.pages.forms import PageForm

_RECOVERY_CODE = re.compile(r"([A-Z2-7]{4}-){3}[A-Z2-7]{4}", re.ASCII)
_TOTP_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


class _CodeInput(forms.TextInput):
    """Shows the code while it is typed, and never redisplays it."""

    def format_value(self, value: Any) -> None:  # noqa: ARG002 - Django's signature
        return None


class CodeForm(PageForm):
    """A code from the authenticator, for which phones show a numeric keyboard, or a recovery code."""

    template_name = "accounts/code_form.html"

    code = forms.CharField(
        label="Six-digit code",
        required=False,
        max_length=64,
        help_text="Enter the code from your authenticator app.",
        widget=_CodeInput(attrs=_TOTP_CODE | {"autofocus": True}),
    )
    recovery_code = forms.CharField(
        required=False,
        max_length=64,
        help_text="Each recovery code works once.",
        widget=_CodeInput(
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


class TotpCodeForm(PageForm):
    """The first code of a new authenticator. Recovery codes are not accepted here."""

    code = forms.CharField(
        label="Six-digit code",
        max_length=8,  # allows for the space that some apps show
        widget=_CodeInput(attrs=_TOTP_CODE),
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
        return given if all(_RECOVERY_CODE.fullmatch(code) for code in given) else []


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
