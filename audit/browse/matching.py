"""The filters of the log for an entry of the archive: the conditions of ``audit.services.reading.select_logs``."""

from collections.abc import Collection, Mapping
from typing import Any

from audit.browse.selection import SEARCHED, LogCriteria, object_ids, parse_id, phrase_of
from audit.log.canonical import format_timestamp
from audit.log.entries import ACTOR_ID
from audit.log.events import Outcome
from audit.log.object_names import named_by, without_prefix
from audit.log.operations import OPERATION, PREFIX, actions_of, is_operation
from kernel.identities import Identity

_EQUAL = ("actor_type", "outcome", "source", "request_id", "client_ip")


class Matcher:
    """Compares entries with the criteria. ``names`` are the ids of the objects that the criteria name. ``own``: only entries of this identity."""

    def __init__(
        self, criteria: LogCriteria, names: Mapping[str, Collection[str]], own: Identity | None = None
    ) -> None:
        self.since, self.until = criteria.since, criteria.until
        self._criteria, self._own = criteria, own
        self._equal = {name: value for name in _EQUAL if (value := getattr(criteria, name))}
        self._since = "" if criteria.since is None else format_timestamp(criteria.since)
        # "~" is greater than any timestamp.
        self._until = "~" if criteria.until is None else format_timestamp(criteria.until)
        self._actions = actions_of(criteria.action) if criteria.action else []
        self._actor_id = parse_id(criteria.actor)
        self._objects = _objects_of(criteria.object_id, names)
        self._words = [(phrase_of(word), named_by(word, names)) for word in criteria.words]

    @property
    def may_match_operations(self) -> bool:
        """Whether a successful operation can match."""
        return self._criteria.outcome in {"", Outcome.OK} and (
            self._criteria.action in {"", OPERATION} or any(each.startswith(PREFIX) for each in self._actions)
        )

    def matches(self, entry: Mapping[str, Any]) -> bool:
        """Whether the entry, spelled as in its canonical JSON, matches all conditions."""
        return (
            self._since <= entry["timestamp"] < self._until
            and all(entry[name] == value for name, value in self._equal.items())
            and (
                self._own is None or str(self._own.id) == entry["user_id" if self._own.user_id else ACTOR_ID]
            )
            and self._has_action(entry)
            and self._has_actor(entry)
            and (not self._objects or entry["object_id"] in self._objects)
            and all(self._has_word(entry, word, ids) for word, ids in self._words)
        )

    def _has_action(self, entry: Mapping[str, Any]) -> bool:
        if self._criteria.action == OPERATION:
            return is_operation(entry)
        return not self._actions or entry["action"] in self._actions

    def _has_actor(self, entry: Mapping[str, Any]) -> bool:
        if self._actor_id is not None:
            return str(self._actor_id) in {entry["user_id"], entry[ACTOR_ID]}
        return self._criteria.actor in {"", entry["actor_name"]}

    def _has_word(self, entry: Mapping[str, Any], word: str, ids: Collection[str]) -> bool:
        # Databases compare either upper-case or lower-case letters, which differs for some Greek ones.
        texts = [entry[name] for name in SEARCHED]
        return entry["object_id"] in ids or any(
            word.lower() in text.lower() or word.upper() in text.upper() for text in texts
        )


def _objects_of(text: str, names: Mapping[str, Collection[str]]) -> set[str]:
    return object_ids(text, names.get(without_prefix(text).lower(), ())) if text else set()
