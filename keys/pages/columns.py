"""The columns of the list of keys beside the name. A user chooses them; a cookie has their words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from django.http import HttpRequest, HttpResponse

from audit.usage.of_key import end_of_gap
from audit.usage.queries import last_uses
from kernel.clock import process_now
from kernel.pages.shell import keep_choice
from keys.lifecycle import LifecycleState
from keys.models import Key
from keys.pages.services import owners_of
from keys.usage.services import callers

_COOKIE: Final = "key_columns"
_NAME: Final = "name"  # always shown; in the cookie, so that a choice is never empty
_MOST_FIXED: Final = 6  # more do not fit with the widths of the style sheet


@dataclass(frozen=True, slots=True)
class _Column:
    """``ordering`` is the column by which its header sorts. ``relation`` is the row that has its value, if another."""

    word: str
    label: str
    ordering: str = ""
    relation: str = ""
    is_usual: bool = True


_COLUMNS: Final[Mapping[str, _Column]] = MappingProxyType(
    {
        each.word: each
        for each in (
            _Column("state", "State"),
            _Column("algorithm", "Algorithm"),
            _Column("version", "Version"),
            _Column("next_rotation", "Next rotation", "next_rotation_at"),
            _Column("last_used", "Last used"),
            _Column("created", "Created", "created_at"),
            _Column("owner", "Owner", relation="created_by", is_usual=False),
            _Column("policy", "Policy", relation="policy", is_usual=False),
            _Column("expires", "Expires", is_usual=False),
        )
    }
)
_USUAL: Final = tuple(each.word for each in _COLUMNS.values() if each.is_usual)


class _KeyRow(NamedTuple):
    """A row of the list. Columns that are not shown are empty."""

    key: Key
    at: LifecycleState
    used: datetime | None
    unrecorded_before: datetime | None
    owner: str


class ShownColumns(dict[str, _Column]):
    """The columns of a request, by their words. Unknown words are ignored."""

    def __init__(self, request: HttpRequest) -> None:
        asked = request.COOKIES.get(_COOKIE, "").split(".")
        words = asked if _NAME in asked else _USUAL
        super().__init__({word: each for word, each in _COLUMNS.items() if word in words})

    @property
    def is_usual(self) -> bool:
        return tuple(self) == _USUAL

    @property
    def is_fixed(self) -> bool:
        return len(self) <= _MOST_FIXED

    @property
    def offered(self) -> list[tuple[_Column, bool]]:
        return [(each, word in self) for word, each in _COLUMNS.items()]

    @property
    def relations(self) -> list[str]:
        return [each.relation for each in self.values() if each.relation]

    @property
    def width(self) -> int:
        return len(self) + 1

    def rows(self, keys: Sequence[Key]) -> list[_KeyRow]:
        """A column that is not shown costs no statement."""
        now, is_used = process_now(), "last_used" in self
        used = last_uses(key.id for key in keys) if is_used else {}
        gap = end_of_gap() if is_used else None
        owners = owners_of(keys) if "owner" in self else {}
        return [
            _KeyRow(
                key,
                key.lifecycle_state(now),
                used.get(str(key.id)),
                callers.unrecorded_before(key, gap),
                owners.get(key.id, ""),
            )
            for key in keys
        ]


def keep_columns(response: HttpResponse, words: Iterable[str]) -> None:
    chosen = set(words)
    keep_choice(response, _COOKIE, ".".join([_NAME, *(word for word in _COLUMNS if word in chosen)]))
