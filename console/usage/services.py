"""Usage of the keys that a user may see: sums over a period, for pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from django.urls import reverse

from accounts.principals import Principal
from audit.browse.filters import operations_query
from audit.log import object_names
from audit.log.events import Outcome
from audit.models import READ_PERMISSION
from audit.services.reading import logged_names
from audit.usage.charts import Range, chart
from audit.usage.sums import Span, Used, busiest_callers, busiest_keys, used_over_time
from kernel.pages.chart import Chart
from keys.reading.services import ids_of_own_keys
from keys.usage.services.callers import ids_with_callers

type _Sums = Sequence[tuple[str, Used]]


@dataclass(frozen=True, slots=True)
class _Row:
    """A key with the operations on it, or a caller with their operations. ``name`` is "" if unknown.

    ``log_url`` and ``denied_url`` are the pages of the log with these operations; "" if there are none for this reader.
    """

    id: str
    name: str
    used: Used
    log_url: str
    denied_url: str


@dataclass(frozen=True, slots=True)
class _LogPages:
    """The pages of the audit log with exactly the operations that a figure counts."""

    denied: str
    failed: str


@dataclass(frozen=True, slots=True)
class _Busiest:
    """The busiest keys and callers of a period."""

    by_key: Sequence[_Row]
    by_caller: Sequence[_Row]


@dataclass(frozen=True, slots=True)
class Usage:
    """The data of the usage page for one range."""

    range: Range
    span: Span
    steps: Sequence[tuple[datetime, Used]]
    busiest: _Busiest
    log: _LogPages | None

    @property
    def chart(self) -> Chart:
        return chart(self.range, self.steps)

    @property
    def denied_share(self) -> float:
        """The share of denied operations, from 0 to 1."""
        total = sum(used.total for _, used in self.steps)
        return sum(used.denied for _, used in self.steps) / total if total else 0.0


def read_usage(*, principal: Principal, chosen: Range, now: datetime) -> Usage:
    """The usage of the keys that the principal may see. Raises Denied."""
    own, span = ids_of_own_keys(principal=principal), chosen.span(now)
    keys, callers = busiest_keys(span, own), busiest_callers(span, ids_with_callers(principal=principal))
    names = object_names.visible_names(principal, named_objects(keys, callers))
    busiest = busiest_rows(principal, keys, callers, names, span.since)
    return Usage(
        range=chosen,
        span=span,
        log=log_pages(principal, span),
        steps=used_over_time(span, own),
        busiest=busiest,
    )


def busiest_rows(
    principal: Principal, keys: _Sums, callers: _Sums, names: Mapping[tuple[str, str], str], since: datetime
) -> _Busiest:
    """``names`` are those of the ``named_objects`` that the principal may see; the log has the others."""
    known = {found: names[each] for each in named_objects((), callers) if each in names for found in each[1:]}
    known |= logged_names(found for found, _ in callers if found not in known)
    begun = since if principal.scope(READ_PERMISSION) == "all" else None
    return _Busiest(
        [_row("object", found, names.get(("key", found), ""), used, begun) for found, used in keys],
        [_row("actor", found, known.get(found, ""), used, begun) for found, used in callers],
    )


def named_objects(keys: _Sums, callers: _Sums) -> list[tuple[str, str]]:
    """The types and ids of the keys, and of the callers, which are users or service accounts."""
    holders = product(("user", "service_account"), (found for found, _ in callers))
    return [*(("key", found) for found, _ in keys), *holders]


def _row(log_filter: str, found: str, name: str, used: Used, since: datetime | None) -> _Row:
    """``since`` is None for a reader who may not read the whole log."""
    if since is None or not found:
        return _Row(found, name, used, "", "")
    of_row = {log_filter: name or found}
    denied_url = operations_url(since, outcome=Outcome.DENIED.value, **of_row) if used.denied else ""
    return _Row(found, name, used, operations_url(since, **of_row), denied_url)


def read_steps(*, principal: Principal, chosen: Range, now: datetime) -> Sequence[tuple[datetime, Used]]:
    """Only the sums over time. Raises Denied."""
    return used_over_time(chosen.span(now), ids_of_own_keys(principal=principal))


def log_pages(principal: Principal, span: Span) -> _LogPages | None:
    """None for a reader of their own actions only, because figures also count what others did with their keys."""
    if principal.scope(READ_PERMISSION) != "all":
        return None
    return _LogPages(
        operations_url(span.since, outcome=Outcome.DENIED.value),
        operations_url(span.since, outcome=Outcome.ERROR.value),
    )


def operations_url(since: datetime, **filters: str) -> str:
    """The page of the audit log with these operations."""
    return f"{reverse('audit')}?{operations_query(since, **filters)}"
