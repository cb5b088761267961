"""Forms of webhooks."""

from typing import Any

from django import forms

from kernel.http.targets import MAX_URL
from kernel.outbox.topics import selectable_topics
from kernel.pages.edit_forms import EditForm
from kernel.pages.forms import CheckboxTags, PageForm, offer
from notifications.models import LONGEST_NAME


class WebhookFields(PageForm):
    name = forms.CharField(
        max_length=LONGEST_NAME,
        help_text="Who receives the notifications, such as the chat of a team.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    url = forms.CharField(
        label="URL",
        max_length=MAX_URL,
        strip=False,
        help_text="An https address, such as https://hooks.example.org/keys.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    topics = forms.MultipleChoiceField(
        widget=CheckboxTags,
        error_messages={"required": "Choose at least one topic."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "topics", [(topic.word, topic.label) for topic in selectable_topics()])


class EditWebhookForm(EditForm, WebhookFields):
    is_active = forms.BooleanField(
        required=False,
        label="Enabled",
        help_text="A disabled webhook receives nothing. Its waiting deliveries fail, and you can retry them.",
    )
