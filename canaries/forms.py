"""Forms of officers."""

from django import forms
from django.http import QueryDict

from canaries.documents import ChannelKind, Incident, Kind, Level, Status
from canaries.serializers import LONGEST_NOTE, LONGEST_REFERENCE, LONGEST_TARGET
from canaries.services.deciding import NEXT
from canaries.wording import CHANNELS, LEVELS, PLANTINGS, STATUSES
from kernel.labels import label_fault
from kernel.pages.forms import PageForm, offer


def _text(
    label: str, help_text: str, *, required: bool = True, longest: int = LONGEST_NOTE
) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        max_length=longest,
        validators=[_printable],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def _printable(text: str) -> None:
    if fault := label_fault(text, LONGEST_NOTE):
        raise forms.ValidationError(fault)


class CanaryForm(PageForm):
    note = _text("Placement", "Where it is planted, such as a wiki page or a CI variable.")
    level = forms.ChoiceField(
        choices=[(level.value, LEVELS[level]) for level in Level], initial=Level.ALERT.value
    )


class PlantForm(CanaryForm):
    object = _text("Object", "", longest=LONGEST_REFERENCE)
    field_order = ["object", "note", "level"]

    def __init__(self, data: QueryDict | None, kind: Kind) -> None:
        super().__init__(data)
        self.fields[
            "object"
        ].help_text = f"Name or ID of {PLANTINGS[kind].reference}, which must exist already."


class ChannelForm(PageForm):
    kind = forms.ChoiceField(choices=[(kind.value, CHANNELS[kind]) for kind in ChannelKind])
    target = _text(
        "Target",
        "An e-mail address, an https:// URL of a webhook, or relp+tls://HOST:PORT or tls://HOST:PORT for syslog.",
        longest=LONGEST_TARGET,
    )


class DecisionForm(PageForm):
    status = forms.ChoiceField(label="Decision")
    reason = _text("Reason", "Required for a false alarm.", required=False)

    def __init__(self, data: object, incident: Incident) -> None:
        super().__init__(data)
        offered = NEXT[incident.status]
        offer(self, "status", [(status.value, STATUSES[status]) for status in offered])
        if Status.FALSE_ALARM not in offered:
            del self.fields["reason"]

    def clean_status(self) -> Status:
        return Status(self.cleaned_data["status"])


class AppointForm(PageForm):
    user = _text("User", "Name or ID of a user with an authenticator.", longest=LONGEST_REFERENCE)
