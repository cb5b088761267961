"""Forms of a key's Access page."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms

from accounts.holders import KnownHolder
from accounts.roles import Rights
from kernel.identities import IdentityType
from kernel.pages.forms import (
    CheckboxTags,
    LongSelect,
    PageForm,
    ReasonForm,
    UtcDateTimeField,
    WordsField,
    offer,
)
from keys.access.services import GrantRequest
from keys.explanations import OPERATION_LABELS
from keys.lifecycle import operations_of
from keys.models import Key
from keys.models.grants import ROLE

_TAG = "tag:"  # prefix of the choices of ``scope``


class CheckAccessForm(PageForm):
    """Whether one user or service account may do an operation, with a request from an address."""

    principal = forms.ChoiceField(label="User or service account", widget=LongSelect)
    operation = forms.ChoiceField()
    client_ip = forms.GenericIPAddressField(
        required=False,
        label="IP address of the request",
        help_text="Optional. Enter the IP address of the caller. If it is empty, grants that are limited to networks are ignored.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, key: Key, holders: Iterable[KnownHolder], **kwargs: Any) -> None:
        super().__init__(*args, auto_id="check_%s", **kwargs)
        offer(self, "operation", _operations(key))
        offer(self, "principal", [(str(each.identity.id), _label(each)) for each in holders])


class NewGrantForm(PageForm):
    """A new grant. ``holder`` is ``user:<id>``, ``service_account:<id>`` or ``role:<role>``."""

    holder = forms.ChoiceField(label="Grant to", widget=LongSelect)
    operations = forms.MultipleChoiceField(
        widget=CheckboxTags,
        error_messages={"required": "Choose at least one operation."},
    )
    expires_at = UtcDateTimeField(
        required=False, label="Expires at (UTC)", help_text="Leave empty if the grant does not expire."
    )
    networks = WordsField(
        required=False,
        max_length=1000,
        help_text="Networks that may use the grant, such as 192.0.2.0/24, separated with commas. "
        "Leave empty to allow all.",
    )

    def offer_grants(
        self, keys: Iterable[Key], holders: Iterable[KnownHolder], roles: Iterable[Rights]
    ) -> None:
        """Set the choices: the operations that one of the keys supports, and the holders."""
        operations = dict(choice for key in keys for choice in _operations(key))
        offer(self, "operations", operations.items())
        known = users_of_keys(holders)
        able = [rights.role for rights in roles if rights.use_keys]
        roles_to_choose = [(f"{ROLE}:{role}", f"Everyone with the role {role}") for role in able]
        offer(self, "holder", [("", "Choose …"), *known, *roles_to_choose])

    def grant_request(self) -> GrantRequest:
        given = self.cleaned_data
        principal_type, _, principal_id = given["holder"].partition(":")
        return GrantRequest(
            principal_type=principal_type,
            principal_id=principal_id,
            operations=given["operations"],
            expires_at=given["expires_at"],
            networks=given["networks"],
            reason=given.get("reason", ""),
        )


class TagReasonForm(ReasonForm):
    """A reason, required if the field ``opens`` names tags: a grant on a tag is for all its present and future keys."""

    opens: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False
        self.fields["reason"].help_text = "Required for tags. Recorded in the audit log."

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get(self.opens) and not given.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Enter the reason for the access to all keys with the tag.")
        return given


class GrantForm(NewGrantForm, TagReasonForm):
    """A new grant on a key, or with a reason on one of its tags: ``scope`` is "" or ``tag:<tag>``."""

    scope = forms.ChoiceField(required=False, label="Applies to")

    opens = "scope"
    field_order = ("holder", "operations", "scope", "expires_at", "networks", "reason")

    def __init__(
        self, *args: Any, key: Key, holders: Iterable[KnownHolder], roles: Iterable[Rights], **kwargs: Any
    ) -> None:
        super().__init__(*args, auto_id="grant_%s", **kwargs)  # a dialog over the page has a reason, too
        self.offer_grants([key], holders, roles)
        if key.tags:
            every = [
                (f"{_TAG}{tag}", f"All keys with the tag {tag}, including future keys") for tag in key.tags
            ]
            offer(self, "scope", [("", "This key only"), *every])
        else:
            del self.fields["scope"]
            self.fields["reason"].help_text = "Optional. Recorded in the audit log."

    @property
    def tag(self) -> str:
        """The tag of a valid form; "" for a grant on the key."""
        scope: str = self.cleaned_data.get("scope", "")
        return scope.removeprefix(_TAG)


def users_of_keys(holders: Iterable[KnownHolder]) -> list[tuple[str, str]]:
    """The choices of those who can use keys: ``user:<id>`` or ``service_account:<id>``, and the label."""
    return [
        (each.identity.entity, _label(each)) for each in holders if each.is_active and each.rights.use_keys
    ]


def _operations(key: Key) -> list[tuple[str, str]]:
    return [(word, OPERATION_LABELS[word]) for word in operations_of(key.algorithm, key.purpose)]


def _label(holder: KnownHolder) -> str:
    is_account = holder.identity.type is IdentityType.SERVICE_ACCOUNT
    state = "" if holder.is_active else ", disabled"
    return f"{holder.name} ({'service account, ' if is_account else ''}{holder.role}{state})"
