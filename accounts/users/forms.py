"""Forms for the management of users. They parse input; the services validate it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from accounts.models import User, UserState
from accounts.models.roles import role_descriptions
from accounts.passwords import CHOOSING_HELP, password_field
from accounts.roles import LABELS
from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import LongSelect, PageForm, ReasonForm, search_field
from kernel.time_zones import zone_names

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


def _choices(roles: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, LABELS.get(name, name)) for name in roles]


class UserFilterForm(FilterForm):
    search = search_field("Search by name or e-mail address")
    role = forms.ChoiceField(
        required=False, choices=lambda: [("", "Any role"), *_choices(role_descriptions())]
    )
    state = forms.ChoiceField(
        required=False, choices=[("", "Any state"), *((word, word.capitalize()) for word in UserState)]
    )


def _email_field() -> forms.CharField:
    # Not an EmailField: the service has the rule, and the error of the browser would replace ours.
    return forms.CharField(
        required=False, label="E-mail address", max_length=254, widget=forms.TextInput(attrs=_PLAIN)
    )


class _RoleButtons(forms.RadioSelect):
    """The radio buttons of the roles, each with its description."""

    descriptions: Mapping[str, str] = {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        return option | {"description": self.descriptions[value]}


class RoleField(forms.ChoiceField):
    widget = _RoleButtons

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template_name = "accounts/role_choice.html"

    def __deepcopy__(self, memo: dict[int, Any]) -> "RoleField":
        """The field of a form, with the roles at this time."""
        field = super().__deepcopy__(memo)
        field.widget.descriptions = role_descriptions()
        field.choices = _choices(field.widget.descriptions)
        return field


class InviteForm(PageForm):
    """A new user, who chooses the password through a link."""

    username = forms.CharField(
        max_length=64,
        help_text="1 to 64 characters: letters, digits and . _ @ + -. You cannot change the name later.",
        widget=forms.TextInput(attrs=_PLAIN | {"autofocus": True}),
    )
    email = _email_field()
    role = RoleField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        help_text = "Optional. This address identifies the user. The only notification that goes to it is that of a password reset."
        self.fields["email"].help_text = help_text
        if self.is_bound:  # an invalid field gets the focus
            del self.fields["username"].widget.attrs["autofocus"]


class ChoosePasswordForm(PageForm):
    """The password of an invited user."""

    password = password_field("Password", "new-password", CHOOSING_HELP)


class UserForm(PageForm):
    """Confirms one operation on ``user``. ``order`` is passed to the service."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, initial=self.present(user), **kwargs)
        self.user = user

    @staticmethod
    def present(user: User) -> Mapping[str, Any]:
        """The values to show at first."""
        return {"role": user.role, "email": user.email}

    def order(self) -> dict[str, Any]:
        return self.cleaned_data


class UserReasonForm(UserForm, ReasonForm):
    """Confirms an operation with a reason."""


class RoleForm(UserReasonForm):
    role = RoleField()

    field_order = ("role", "reason")


class EmailForm(UserForm):
    email = _email_field()


class NamedUserForm(UserReasonForm):
    """Confirms with the typed username what the user cannot undo."""

    name = forms.CharField(label="Username", widget=forms.TextInput(attrs=_PLAIN))

    field_order = ("reason", "name")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.fields["name"].help_text = f"Type {user.username} to confirm."

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]  # leading and trailing spaces are stripped
        if typed != self.user.username:
            raise forms.ValidationError(f"The name does not match. Type {self.user.username}.")
        return typed

    def order(self) -> dict[str, Any]:
        return {"reason": self.cleaned_data["reason"]}


class ChangePasswordForm(PageForm):
    current = password_field("Current password", "current-password")
    new = password_field(
        "New password",
        "new-password",
        CHOOSING_HELP,
    )


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


class AppearanceForm(PageForm):
    theme = forms.ChoiceField(
        choices=[("system", "Same as system"), ("light", "Light"), ("dark", "Dark")],
        widget=forms.RadioSelect,
    )
    time_zone = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "UTC only"), *((name, name) for name in zone_names())],
        widget=LongSelect,
        help_text="Times are in UTC. Choose a time zone to see the local time, too.",
    )
    shortcuts = forms.BooleanField(
        label="Keyboard shortcuts",
        required=False,
        help_text="Use single keys such as / and ? for common actions.",
    )
