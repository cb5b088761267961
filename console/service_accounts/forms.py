"""Forms of service accounts."""

from typing import Any, Final

from django import forms

from accounts.roles import ADMIN, AUDITOR, DEVELOPER, OPERATOR
from accounts.service_accounts.services.accounts import MAX_DESCRIPTION
from accounts.users.forms import RoleField
from kernel.pages.forms import NewNameField, PageForm, ReasonForm

_ORDERED_ROLES: Final = (DEVELOPER, OPERATOR, AUDITOR, ADMIN)  # the usual one of applications first


class ServiceAccountForm(PageForm):
    name = NewNameField()
    role = RoleField(_ORDERED_ROLES, initial=DEVELOPER)
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
