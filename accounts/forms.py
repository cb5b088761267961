"""Forms of accounts. Secrets are never put back into a form."""

from typing import Any

from django import forms

from ciphercanary.pages.forms import PageForm

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
        help_text="Six digits of your authenticator, or one of your recovery codes.",
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


class SetUpForm(PageForm):
    """The first administrator."""

    username = forms.CharField(
        max_length=64,
        initial="admin",
        help_text="Letters, digits and . _ @ + -",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )
    password = password_field(
        "Password",
        "new-password",
        "12 to 128 characters, and none that everybody tries first. Length is what makes it strong: four or five "
        "words that have nothing to do with each other are easy to keep in mind.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget.attrs["autofocus"] = True


class AppearanceForm(PageForm):
    theme = forms.ChoiceField(
        choices=[("system", "As the system has it"), ("light", "Light"), ("dark", "Dark")],
        widget=forms.RadioSelect,
    )
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts", required=False, help_text="Single keys such as / and ? do something."
    )
