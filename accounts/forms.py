"""The admin's log-in form: it asks what ``/auth/login`` asks, and lets the same service decide."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest

from accounts import actions, services
from accounts.authentication import name_actor, origin_of
from accounts.errors import OtpRequired
from accounts.models import User
from audit.events import Source
from ciphercanary import throttle
from ciphercanary.errors import DomainError
from ciphercanary.http import in_context

SECRET_LIMIT = 1024  # characters, as in the API


class AdminLoginForm(forms.Form):
    """A refusal becomes the form's error and stays on the request, where its record is made."""

    required_css_class = "required"

    username = forms.CharField(
        max_length=SECRET_LIMIT, widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True})
    )
    password = forms.CharField(
        max_length=SECRET_LIMIT,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    totp_code = forms.CharField(
        max_length=64,
        required=False,
        label="Authenticator or recovery code",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.user: User | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self._log_in(**cleaned)
        return cleaned

    def get_user(self) -> User | None:
        """The user to open the session for: what Django's log-in view asks of a valid form."""
        return self.user

    def _log_in(self, *, username: str, password: str, totp_code: str) -> None:
        context, origin = in_context(self.request), origin_of(self.request, Source.ADMIN)
        context.audit_action = actions.SESSION_OPENED
        try:
            throttle.check_address(context, group="auth", rate=settings.CC_THROTTLE_AUTH)
            name_actor(context, origin.anonymous(services.known_username(username)))
            self.user = services.log_in_to_admin(
                username=username, password=password, totp_code=totp_code, origin=origin
            )
        except DomainError as refusal:
            context.refusal = refusal
            self.add_error("totp_code" if isinstance(refusal, OtpRequired) else None, refusal.detail)
