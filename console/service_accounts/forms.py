"""Forms of service accounts."""

from typing import Final

from django import forms

from accounts.roles import ADMIN, AUDITOR, DEVELOPER, OPERATOR
from accounts.service_accounts.services.accounts import MAX_DESCRIPTION
from kernel.pages.forms import NewNameField, PageForm, ReasonForm

ORDERED_ROLES: Final = (DEVELOPER, OPERATOR, AUDITOR, ADMIN)  # the usual one of applications first


class ServiceAccountForm(PageForm):
    name = NewNameField()
    role = forms.ChoiceField(
        choices=[(role, role.capitalize()) for role in ORDERED_ROLES],
        initial=DEVELOPER,
        widget=forms.RadioSelect,
    )
    description = forms.CharField(
        required=False,
        max_length=MAX_DESCRIPTION,
        help_text="Optional.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "prose"}),
    )


class AccountRoleForm(ReasonForm):
    role = ServiceAccountForm.base_fields["role"]

    field_order = ("role", "reason")
