"""Cryptographic operations with a key: the entries that the usage of keys counts.

The condition for one row and the one for a query match the same entries, so the figures equal the filtered log.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Q

from audit.log.action_labels import actions_beginning
from audit.log.events import TRAIL_DIGESTS, Outcome

OPERATION: Final = "operation"
"""In filters, this word in place of an action matches every operation with a key. No action is spelled like it."""
LABEL: Final = "Any operation with a key"
PREFIX: Final = "crypto."
# A successful inspection uses no key material, so usage does not count it. It counts refused ones like other refusals.
INSPECTED: Final = "crypto.message.inspected"
# A refused request may name anything as key. Only a value that is spelled like an id can be one.
_KEY_ID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IS_KEY_ID: Final = re.compile(_KEY_ID, re.ASCII)


def is_operation(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``audit_logs`` is an operation with a key."""
    is_of_key = row["object_type"] == "key" and _IS_KEY_ID.fullmatch(row["object_id"])
    is_inspection = row["action"] == INSPECTED and row["outcome"] == Outcome.OK
    return bool(is_of_key) and row["action"].startswith(PREFIX) and not is_inspection


def has_only_succeeded(action: str, outcome: str, meta: str) -> bool:
    """Whether an entry records a successful operation, and nothing else.

    Such entries may share a row, and their rows may leave the database. Readers look up all others one by one.
    """
    return action.startswith(PREFIX) and outcome == Outcome.OK and TRAIL_DIGESTS not in meta


def actions_of(action: str) -> list[str]:
    """The actions that a filter matches: all whose labels begin with its words, otherwise the action itself."""
    return actions_beginning(action) or [action]


def has_action(action: str) -> Q:
    """The entries with this action, or all operations for ``OPERATION``."""
    if action != OPERATION:
        return Q(action=action)
    operations = Q(object_type="key", action__startswith=PREFIX, object_id__regex=f"^{_KEY_ID}$")
    return operations & ~Q(action=INSPECTED, outcome=Outcome.OK)
