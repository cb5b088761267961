"""Forms for encryption policies, and the choice of a policy for a key. They parse input; the services validate it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from django import forms

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm, modes_of
from kernel.errors import VersionConflict
from kernel.pages.edit_forms import EditForm
from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import NewNameField, PageForm, offer, search_field
from keys.explanations import RECOMMENDED
from keys.models import EncryptionPolicy
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS
from keys.models.rotation_policy import MAX_BYTES, MAX_DAYS, MAX_USES, RotationPolicy
from keys.policies.services.changing import PolicyUpdate

_ROTATION = ("every_days", "after_uses", "after_bytes", "grace_days", "reencrypt")


class PolicyChoiceField(forms.TypedChoiceField):
    """The policy of a key, as its ID. ``suggest`` sets the choices."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"coerce": UUID, "empty_value": None, "required": False, "label": "Policy"} | kwargs
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(initial or "") != str(data or "")


def suggest_policies(form: forms.Form, policies: Iterable[EncryptionPolicy], *, is_required: bool) -> None:
    """Set the choices of ``policy_id``."""
    empty = ("", "Choose a policy" if is_required else "No policy")
    chosen = [(str(policy.id), _choice(policy)) for policy in policies]
    offer(form, "policy_id", [empty, *chosen])


def _choice(policy: EncryptionPolicy) -> str:
    return f"{policy.name} ({policy.algorithm}{'' if policy.is_active else ', disabled'})"


# A policy limits what protects new data. Keys of other systems do not.
CHOICES: Final = tuple(dict.fromkeys(kind.name for kind in KEY_ALGORITHMS if not kind.is_foreign))


def positions_of(is_wanted: Callable[[KeyAlgorithm], bool]) -> str:
    """The positions of these algorithms among the choices, separated by spaces, for ``data-for``."""
    wanted = {kind.name for kind in KEY_ALGORITHMS if is_wanted(kind)}
    return " ".join(str(at) for at, name in enumerate(CHOICES) if name in wanted)


class PolicyFilterForm(FilterForm):
    search = search_field("Search by name")


class PolicyRulesForm(PageForm):
    """The rules of a policy that can be changed."""

    allowed_modes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        required=False,  # the service refuses an empty list
        help_text="These modes apply to new data. Existing data can be decrypted or verified in any mode that the key supports.",
    )
    key_lifetime_days = forms.IntegerField(
        required=False,
        label="Key lifetime (days)",
        help_text="Keys expire this long after they become active, and then only work for existing data. Rotation does not extend "
        "it. Leave empty for keys without an expiry.",
        min_value=1,
        max_value=MAX_DAYS,
    )
    every_days = forms.IntegerField(
        required=False,
        label="Rotate every (days)",
        help_text="Leave empty for no rotation by age.",
        min_value=1,
        max_value=MAX_DAYS,
    )
    after_uses = forms.IntegerField(
        required=False, label="Rotate after (messages)", min_value=1, max_value=MAX_USES
    )
    after_bytes = forms.IntegerField(
        required=False, label="Rotate after (bytes)", min_value=1, max_value=MAX_BYTES
    )
    grace_days = forms.IntegerField(
        required=False,
        label="Grace period (days)",
        help_text="A replaced version works for this long. Leave empty for no limit.",
        min_value=0,
        max_value=MAX_DAYS,
    )
    reencrypt = forms.BooleanField(
        required=False,
        label="Re-encryption after the grace period",
        help_text="Data encrypted with a replaced version can still be re-encrypted after the grace period.",
    )
    minimum_deletion_days = forms.IntegerField(
        label="Minimum waiting period before deletion (days)",
        help_text=f"{MIN_DELETION_DAYS} to {MAX_DELETION_DAYS} days between scheduling a deletion and the deletion.",
        min_value=MIN_DELETION_DAYS,
        max_value=MAX_DELETION_DAYS,
        initial=MIN_DELETION_DAYS,
    )
    exportable = forms.BooleanField(
        required=False, label="Exportable keys", help_text="Allow exportable keys."
    )

    @property
    def encrypting(self) -> str:
        """``positions_of`` the algorithms that encrypt."""
        return positions_of(lambda kind: kind.purpose == "encrypt")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("reencrypt") and given.get("grace_days") is None and "grace_days" not in self.errors:
            self.add_error(
                "reencrypt", "Set a grace period too. Without one, replaced versions decrypt forever."
            )
        return given


class PolicyForm(PolicyRulesForm):
    """A new policy."""

    name = NewNameField()
    algorithm = forms.ChoiceField(
        choices=[(name, name) for name in CHOICES], initial=RECOMMENDED, widget=forms.RadioSelect
    )

    field_order = ("name", "algorithm")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        modes = list(dict.fromkeys(mode for kind in KEY_ALGORITHMS if kind.protects for mode in kind.modes))
        offer(self, "allowed_modes", [(mode, mode) for mode in modes])
        self.fields["allowed_modes"].initial = modes

    def order(self) -> dict[str, Any]:
        """The arguments of ``create_policy``. Modes of other algorithms, which the page hides, are ignored."""
        given = dict(self.cleaned_data)
        rotation = {name: given.pop(name) for name in _ROTATION}
        modes = modes_of(given["algorithm"])
        given["allowed_modes"] = [mode for mode in given["allowed_modes"] if mode in modes]
        return given | {"rotation_policy": rotation}


class EditPolicyForm(EditForm, PolicyRulesForm):
    """The rules of an existing policy."""

    def __init__(self, *args: Any, policy: EncryptionPolicy, **kwargs: Any) -> None:
        super().__init__(*args, initial=_field_values(policy), **kwargs)
        modes = modes_of(policy.algorithm)
        offer(self, "allowed_modes", [(mode, mode) for mode in modes])
        self.base = policy.rotation_policy

    @property
    def hidden(self) -> list[str]:
        """All fields and the values that the page showed, as hidden inputs."""
        return [html for field in self for html in (field.as_hidden(), field.as_hidden(only_initial=True))]

    def order(self) -> PolicyUpdate:
        """The changed fields, for ``update_policy``. A changed rotation rule keeps the other stored rules."""
        changed = self.changes()
        rules = {name: changed.pop(name) for name in _ROTATION if name in changed}
        if rules:
            changed["rotation_policy"] = {**self.base, **rules}
        return cast("PolicyUpdate", changed)

    def check(self, stored: EncryptionPolicy) -> None:
        """Raises VersionConflict as ``require_current``, and if ``order`` is based on an earlier rotation rule."""
        self.require_current(_field_values(stored))
        if stored.rotation_policy != self.base:
            raise VersionConflict("The policy has changed since you opened this page.")


def _field_values(policy: EncryptionPolicy) -> Mapping[str, Any]:
    """The policy as the values of ``PolicyRulesForm``."""
    rotation: RotationPolicy = policy.rotation
    return {
        "allowed_modes": list(policy.allowed_modes),
        "key_lifetime_days": policy.key_lifetime_days,
        **{name: getattr(rotation, name) for name in _ROTATION},
        "minimum_deletion_days": policy.minimum_deletion_days,
        "exportable": policy.exportable,
    }
