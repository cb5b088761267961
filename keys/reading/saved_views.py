"""The saved views of the list of keys, which the log keeps with its own saved filters."""

from typing import Final

from accounts.authorization import READ_KEYS
from audit.models import FilteredList

KEY_VIEWS: Final = FilteredList("keys", READ_KEYS, noun="view", reach="the keys within your reach")
