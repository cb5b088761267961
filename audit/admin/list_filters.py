"""Filters of the admin's lists."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import QueryDict

from audit.log.events import ActorType, Source
from audit.sequencing.alarms import AlarmKind


class WordFilter(admin.ChoicesFieldListFilter):
    """Offers the values that the application defines. The stored rows may contain anything."""

    words: type[StrEnum]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield self._choice(changelist, None, "All")
        for word in self.words:
            yield self._choice(changelist, word.value, word.value)

    def _choice(self, changelist: ChangeList, word: str | None, text: str) -> Mapping[str, Any]:
        asked = None if self.lookup_val is None else self.lookup_val[-1]
        query = changelist.get_query_string(
            {self.lookup_kwarg: word} if word else {}, [] if word else [self.lookup_kwarg]
        )
        return {"selected": asked == word, "query_string": query, "display": text}


class SourceFilter(WordFilter):
    words = Source


class ActorTypeFilter(WordFilter):
    words = ActorType


class AlarmKindFilter(WordFilter):
    words = AlarmKind


def period_of_list(query: QueryDict) -> tuple[datetime, datetime] | tuple[None, None]:
    """``since`` and ``until`` of the year, month or day selected in the date hierarchy of entries.

    None for a date that is no period, such as a month of every year.
    """
    texts = [query.get(f"timestamp__{part}") for part in ("year", "month", "day")]
    given = [text for text in texts if text is not None]
    if not given or texts[: len(given)] != given:
        return None, None
    try:
        return _bounds(*map(int, given))
    except (ValueError, OverflowError):
        return None, None


def _bounds(year: int, month: int | None = None, day: int | None = None) -> tuple[datetime, datetime]:
    since = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return since, since + timedelta(days=1)
    if month:
        return since, (since + timedelta(days=31)).replace(day=1)
    return since, since.replace(year=year + 1)
