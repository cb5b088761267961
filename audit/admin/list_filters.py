"""Convert the filters of the admin's entry list to API criteria, so that an export has the same entries."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from audit.browse.selection import LogCriteria
from audit.log.canonical import format_timestamp
from audit.log.events import ActorType, Source
from audit.serializers.exports import ExportRequestSerializer
from kernel.errors import Invalid
from kernel.rest.exceptions import invalid


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


FILTERS: Mapping[str, str] = {
    "q": "search",
    "outcome": "outcome",
    "outcome__exact": "outcome",
    "source": "source",
    "source__exact": "source",
    "actor_type": "actor_type",
    "actor_type__exact": "actor_type",
}
ARRANGING = {"o", "p", "all", "e", "_facets"}  # order, page and the like do not filter
DATE_PARTS = ("timestamp__year", "timestamp__month", "timestamp__day")


def criteria_of_list(query: QueryDict) -> LogCriteria:
    """The criteria of the list's query string. Raises Invalid for a filter that exports do not support.

    Unknown filters are rejected, not ignored: otherwise the file would have more entries than the list.
    """
    asked: dict[str, str] = {"format": "jsonl"}
    for name, values in query.lists():
        if name in ARRANGING or name in DATE_PARTS or values == [""]:
            continue
        if name not in FILTERS or len(values) > 1:
            raise Invalid.of_field(name, "Exports do not support this filter. Remove it.")
        asked[FILTERS[name]] = values[0]
    if period := _period(query):
        asked |= zip(("from", "to"), map(format_timestamp, period), strict=True)
    serializer = ExportRequestSerializer(data=asked)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise invalid(error) from None
    return LogCriteria(
        **{name: value for name, value in serializer.validated_data.items() if name != "format"}
    )


def period_of_list(query: QueryDict) -> tuple[datetime, datetime] | tuple[None, None]:
    """``since`` and ``until`` of the list; None for a date that is no period, such as a month of every year."""
    try:
        return _period(query) or (None, None)
    except Invalid:
        return None, None


def _period(query: QueryDict) -> tuple[datetime, datetime] | None:
    """Start and end of the year, month or day selected in the date hierarchy. Raises Invalid."""
    texts = [query.get(name) for name in DATE_PARTS]
    given = [text for text in texts if text is not None]
    if not given:
        return None
    unknown = Invalid.of_field(DATE_PARTS[0], "Exports do not support this date filter. Remove it.")
    if texts[: len(given)] != given:
        raise unknown  # for example a month of every year
    try:
        return _bounds(*map(int, given))
    except (ValueError, OverflowError):
        raise unknown from None


def _bounds(year: int, month: int | None = None, day: int | None = None) -> tuple[datetime, datetime]:
    since = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return since, since + timedelta(days=1)
    if month:
        return since, (since + timedelta(days=31)).replace(day=1)
    return since, since.replace(year=year + 1)
