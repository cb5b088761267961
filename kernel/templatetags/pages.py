"""Template tags and filters of pages: icons, timestamps, numbers, and changes to the query string."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import template
from django.template import RequestContext
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernel import installation
from kernel.clock import process_now
from kernel.labels import reveal
from kernel.time_zones import local_time

register = template.Library()

_BYTE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")  # each is 1024 of the one before
# From the largest unit to the smallest; the first with a count of at least one is used.
_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


@register.simple_tag
@cache  # a list has one in each row, and each lookup of a static file's URL costs time
def icon(name: str) -> SafeString:
    """A symbol of ``static/icons.svg``. Screen readers skip it, because the word beside it says the same."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', static("icons.svg"), name
    )


@register.simple_tag
def manage() -> str:
    """The name of the command that runs management commands."""
    return installation.MANAGE


@register.simple_tag
def serve() -> str:
    """The name of the command that starts the server."""
    return installation.SERVE


@register.filter
def positions(choices: Iterable[Any], words: str) -> str:
    """The positions of the choices with these words, for ``data-for``, which a page shows for these choices only."""
    return " ".join(str(at) for at, choice in enumerate(choices) if choice.word in words.split())


@register.filter
def timestamp(value: datetime | str | None) -> SafeString:
    """``2026-11-25 14:05Z``, with the local time if the user chose a zone, and seconds in the attribute for programs; any other value is shown unchanged."""
    if not isinstance(value, datetime):
        return format_html("{}", "\u2013" if value is None else value)
    return _time(f"{value:%Y-%m-%dT%H:%M:%SZ}", f"{value:%Y-%m-%d %H:%MZ}", local_time(value))


@register.filter
def day(value: datetime) -> SafeString:
    """``2026-11-25``, for lists; the exact time is in the attribute."""
    return _time(f"{value:%Y-%m-%dT%H:%M:%SZ}", f"{value:%Y-%m-%d}", "")


@register.filter
def timestamp_with_seconds(value: datetime | str | None) -> SafeString:
    """``2026-11-25 14:05:07Z``, otherwise like ``timestamp``."""
    if not isinstance(value, datetime):
        return timestamp(value)
    return _time(f"{value:%Y-%m-%dT%H:%M:%SZ}", f"{value:%Y-%m-%d %H:%M:%SZ}", local_time(value))


@register.filter
def exact_timestamp(value: datetime | str | None) -> SafeString:
    """``2026-11-25 14:05:07.123456Z``, otherwise like ``timestamp``."""
    if not isinstance(value, datetime):
        return timestamp(value)
    return _time(value.isoformat(), f"{value:%Y-%m-%d %H:%M:%S.%fZ}", local_time(value))


def _time(exact: str, shown: str, local: str) -> SafeString:
    """The local time follows, but in a table it is only in the title, because columns have fixed widths."""
    if not local:
        return format_html('<time datetime="{}">{}</time>', exact, shown)
    return format_html(
        '<time datetime="{}" title="{}">{}<span class="local"> ({})</span></time>', exact, local, shown, local
    )


@register.filter
def relative(value: datetime | None) -> str:
    """``4 minutes ago``, ``in 23 days``. Shown in addition to a timestamp, never instead of it.

    A time ahead is rounded, so a wait of 7 days that has just begun ends in 7 days.
    """
    if value is None:
        return ""
    distance = value - process_now()
    words = _amount(-distance, int) if distance < timedelta() else _amount(distance, round)
    if not words:
        return "just now" if distance <= timedelta() else "in a moment"
    return f"{words} ago" if distance < timedelta() else f"in {words}"


def _amount(distance: timedelta, whole: Callable[[float], int]) -> str:
    seconds = distance.total_seconds()
    for unit, size in _UNITS:
        if seconds >= size:
            count = whole(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return ""


@register.filter
def revealed(value: object) -> str:
    """A text from a user. Invisible characters, which older rows may contain, show as ``[U+202E]``."""
    return reveal(str(value))


@register.filter
def grouped(value: int | str | None) -> str:
    """``1 204 881``, with non-breaking spaces; any other value is shown unchanged."""
    if not isinstance(value, int):
        return "\u2013" if value is None else value
    return f"{value:,}".replace(",", "\u202f")


@register.filter
def percent(share: float) -> str:
    """A share from 0 to 1, to a tenth of a percent. Smaller shares above zero are shown as ``< 0.1%``."""
    if not share:
        return "0%"
    return "< 0.1%" if share < 0.001 else f"{100 * share:.1f}%"  # noqa: PLR2004 - a tenth of a percent


@register.filter
def byte_size(count: int | None) -> str:
    """``5.9 MiB``, with a non-breaking space. None counts as zero."""
    size = count or 0
    power = min(max(size.bit_length() - 1, 0) // 10, len(_BYTE_UNITS) - 1)
    if not power:
        return f"{size}\u00a0byte{'' if size == 1 else 's'}"
    return f"{size / 1024**power:.1f}\u00a0{_BYTE_UNITS[power]}"


@register.simple_tag(takes_context=True)
def query(context: RequestContext, **changes: Any) -> str:
    """The query string of this page with some parameters changed; None removes one."""
    asked = context["request"].GET.copy()
    for name, value in changes.items():
        asked.pop(name, None)
        if value not in {None, ""}:
            asked[name] = str(value)
    text = asked.urlencode()
    return f"?{text}" if text else "?"


@register.filter
def sum_of(rows: Iterable[object], name: str) -> int:
    """The sum of an attribute. Values that are not numbers, as in an altered row, count as zero."""
    values = (getattr(row, name) for row in rows)
    return sum(value for value in values if isinstance(value, int))
