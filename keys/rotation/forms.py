"""Forms that rotate a key or replace it with a successor."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.errors import DomainError, VersionConflict
from kernel.pages.forms import NewNameField, ReasonForm, offer
from keys.metadata import MAX_VERSION
from keys.models import EncryptionPolicy, Key
from keys.policies.forms import PolicyChoiceField
from keys.rotation.services.succession import Successor


class SuccessorForm(ReasonForm):
    name = NewNameField(label="Name of the new key", autofocus=False)
    algorithm = forms.ChoiceField()
    policy_id = PolicyChoiceField(
        help_text="A policy sets the algorithm, the lifetime and the rotation of the key.",
    )

    field_order = ("name", "algorithm", "policy_id", "reason")

    def __init__(self, *args: Any, key: Key, policies: Iterable[EncryptionPolicy], **kwargs: Any) -> None:
        super().__init__(*args, **{"initial": {"algorithm": key.algorithm}} | kwargs)
        same = [kind.name for kind in KEY_ALGORITHMS if kind.purpose == key.purpose and kind.protects]
        offer(self, "algorithm", [(name, name) for name in same])
        kept = [
            (str(policy.id), f"{policy.name} ({policy.algorithm})")
            for policy in policies
            if policy.algorithm in same
        ]
        offer(self, "policy_id", [("", "Keep, if it allows the algorithm"), *kept])

    def order(self) -> dict[str, Any]:
        data = dict(self.cleaned_data)
        reason = data.pop("reason")
        return {"successor": Successor(**data), "reason": reason}


class RotateForm(ReasonForm):
    """``expected_version`` is the primary version shown on the page. A submission from an outdated page is refused."""

    expected_version = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_VERSION, widget=forms.HiddenInput
    )

    def refused(self, request: HttpRequest, refusal: DomainError, words: str = "") -> None:
        """After a conflict, put the current version into the form, so that the next submission applies to it."""
        if isinstance(refusal, VersionConflict):
            present = refusal.extra["primary_version"]
            self.data = dict(self.data.items()) | {"expected_version": present}
            words = (
                f"Someone else has rotated this key. Its primary version is now {present}. Nothing was changed. "
                "Submit this form again only if you want another rotation."
            )
        super().refused(request, refusal, words)
