"""``MESSAGE_STORAGE``: one-time messages, kept in the session instead of a cookie because they name keys."""

from collections.abc import Sequence
from typing import Any

from django.contrib.messages.storage.session import SessionStorage

KEPT = 10  # a client that never opens a page would otherwise fill the session


class NewestMessages(SessionStorage):
    """Keeps the latest ``KEPT`` messages that no page has shown yet."""

    def serialize_messages(self, messages: Sequence[Any]) -> str:
        return super().serialize_messages(messages[-KEPT:])
