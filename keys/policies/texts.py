"""UI texts about policies: changed values side by side, and the effects of a change."""

from collections.abc import Sequence
from dataclasses import dataclass

from keys.policies.forms import EditPolicyForm
from keys.policies.services.changing import Effect


@dataclass(frozen=True, slots=True)
class _ChangedValue:
    """A changed rule with its label; ``old`` and ``new`` as text."""

    label: str
    old: str
    new: str


def changed_values(form: EditPolicyForm) -> Sequence[_ChangedValue]:
    """The fields of a valid form that the user changed."""
    return [
        _ChangedValue(str(form[name].label), _text(form.initial[name]), _text(new))
        for name, new in form.changes().items()
    ]


def effect_text(effect: Effect) -> str:
    """``3 keys become overdue for rotation``."""
    if effect.count > 1:
        return f"{effect.count} keys {effect.text}"
    verb, _, rest = effect.text.partition(" ")
    verb = {"become": "becomes", "have": "has"}.get(verb, verb)
    return f"1 key {verb} {rest}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(value) or "None"
    return "Not set" if value is None else str(value)
