"""The form of the key that encrypts a file."""

from typing import Any, Final

from django import forms

from accounts.principals import Principal
from kernel.pages.forms import LongSelect, PageForm, offer
from keys.lifecycle import Status
from keys.reading import services

_MAX_KEYS: Final = 500


class FileKeyForm(PageForm):
    """Offers the active AES-256 keys that the caller may see. The upload decides whether they may use one."""

    key = forms.ChoiceField(widget=LongSelect)

    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = services.list_keys(principal=principal, only={"algorithm": "aes-256", "status": Status.ACTIVE})
        names = list(keys.values_list("name", flat=True)[:_MAX_KEYS])
        offer(self, "key", [(name, name) for name in names])
