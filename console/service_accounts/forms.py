"""Forms of service accounts."""

from typing import Any

from django import forms

from accounts.roles import DEVELOPER
from accounts.service_accounts.services.accounts import MAX_DESCRIPTION
from accounts.users.forms import RoleField
from console.tokens.forms import ExpiryForm
from kernel.pages.forms import CheckboxTags, NewNameField, PageForm, ReasonForm
from keys.access.forms import TagReasonForm
from keys.explanations import OPERATION_LABELS
from keys.forms import KeyNamesInput, TagsField


class ServiceAccountForm(PageForm):
    name = NewNameField()
    role = RoleField(initial=DEVELOPER)
    description = forms.CharField(
        required=False,
        max_length=MAX_DESCRIPTION,
        help_text="Optional.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "prose"}),
    )


class AccountRoleForm(ReasonForm):
    role = ServiceAccountForm.base_fields["role"]

    field_order = ("role", "reason")

    def order(self) -> dict[str, Any]:
        return {"changes": {"role": self.cleaned_data["role"]}, "reason": self.cleaned_data["reason"]}


class ConnectForm(ExpiryForm, TagReasonForm):
    """A new application: the keys that it may use, and how."""

    name = NewNameField(label="Name of the application")
    keys = TagsField(
        required=False,
        help_text="The application may use these keys. Select them, or enter names, separated with commas.",
        widget=KeyNamesInput,
    )
    tags = TagsField(
        required=False,
        help_text="Optional. The application may use every key with one of these tags, including future keys.",
    )
    operations = forms.MultipleChoiceField(
        choices=list(OPERATION_LABELS.items()),
        initial=["encrypt", "decrypt"],
        help_text="Clear what the application does not need.",
        widget=CheckboxTags,
        error_messages={"required": "Choose at least one operation."},
    )

    opens = "tags"
    field_order = ("name", "keys", "tags", "operations", "lifetime", "expires_at", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lifetime"].label = "The token expires in"
