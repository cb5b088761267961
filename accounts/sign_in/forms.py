"""Forms of the sign-in. They never redisplay secrets."""

from django import forms

from accounts.passwords import SECRET_LIMIT, password_field
from kernel.pages.forms import PageForm


class SignInForm(PageForm):
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


class ConfirmPasswordForm(PageForm):
    password = password_field("Password", "current-password")
