"""``MESSAGE_STORAGE``: what pages say once, kept in the session and not in a cookie, for it names keys."""

from collections.abc import Sequence
from typing import Any

from django.contrib.messages.storage.session import SessionStorage

KEPT = 10  # whoever acts and never opens a page would fill the session


class NewestMessages(SessionStorage):
    """The last ``KEPT`` of those that no page has shown yet."""

    def serialize_messages(self, messages: Sequence[Any]) -> str:
        return super().serialize_messages(messages[-KEPT:])
