"""How the keys that somebody may see are used: sums over a range of time, as pages show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.principals import Principal
from audit.services import names_of
from audit.usage.charts import Range, chart
from audit.usage.queries import Used, busiest_callers, busiest_keys, used_over_time
from kernel.pages.chart import Chart
from keys.models import Key
from keys.services import ids_of_own_keys


@dataclass(frozen=True, slots=True)
class Row:
    """A key or a caller, and what was done with the one, or by the other. ``name`` is "" where none is known."""

    id: str
    name: str
    used: Used


@dataclass(frozen=True, slots=True)
class Usage:
    """All that the page of usage shows of one range."""

    range: Range
    steps: Sequence[tuple[datetime, Used]]
    by_key: Sequence[Row]
    by_caller: Sequence[Row]

    @property
    def chart(self) -> Chart:
        return chart(self.range, self.steps)

    @property
    def denied_share(self) -> str:
        """In percent of all operations."""
        return share(sum(used.denied for _, used in self.steps), sum(used.total for _, used in self.steps))


def read_usage(*, principal: Principal, chosen: Range, now: datetime) -> Usage:
    """Of the keys the principal may see. Raises Denied."""
    own, span = ids_of_own_keys(principal=principal), chosen.span(now)
    keys, callers = busiest_keys(span, own), busiest_callers(span, own)
    key_names = _names_of_keys(principal, (found for found, _ in keys))
    user_names = names_of(found for found, _ in callers)
    return Usage(
        range=chosen,
        steps=used_over_time(span, own),
        by_key=[Row(found, key_names.get(found, ""), used) for found, used in keys],
        by_caller=[Row(found, user_names.get(found, ""), used) for found, used in callers],
    )


def read_steps(*, principal: Principal, chosen: Range, now: datetime) -> Sequence[tuple[datetime, Used]]:
    """The sums over time alone. Raises Denied."""
    return used_over_time(chosen.span(now), ids_of_own_keys(principal=principal))


def share(part: int, whole: int) -> str:
    """In percent, to a tenth; what is less than that and not nothing says so."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    return "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"  # noqa: PLR2004 - a tenth, as in the text


def _names_of_keys(principal: Principal, ids: Iterable[str]) -> dict[str, str]:
    found = Key.objects.visible_to(principal).filter(pk__in=_uuids(ids)).values_list("pk", "name")
    return {str(key_id): name for key_id, name in found}


def _uuids(ids: Iterable[str]) -> list[UUID]:
    """Those that are one: the log names whatever a caller asked for."""
    found = []
    for text in ids:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
