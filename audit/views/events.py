"""The list of events with filters, live updates and export, as the audit log and the activity of a key show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property

from audit.browse.selection import SEARCH_DEPTH, LogCriteria
from audit.browse.suggestions import suggest
from audit.forms.filters import LogFilterForm
from audit.log.object_names import MOST_BEGUN, has_part, names_beginning_with
from audit.models import EXPORT_PERMISSION, READ_PERMISSION
from audit.sequencing.eras import Eras
from audit.services import following, searching, segments, showing
from audit.services.log_status import LogStatus, read_log_status
from kernel.clock import process_now
from kernel.pages.views import PageView, next_url, number_in
from kernel.rules import Caller

LIMIT = 50
_MOST_AT_ONCE = 10_000  # entries that one live update looks through
_MOST_FOLLOWED = 500  # rows that live updates add to a page before they must be restarted
_MOST_NAMES = 100  # keys that are suggested at once
_MOST_NAMED = 5  # names in a search that have a link
_RESULTS, _MORE, _LIVE, _FILTERS, _KEYS = (
    "log-results",
    "more-entries",
    "log-live",
    "more-filters",
    "known-keys",
)
PARTS = frozenset({_RESULTS, _MORE, _LIVE, _FILTERS, _KEYS})
_TEMPLATE = "audit/events.html"


@dataclass(frozen=True, slots=True)
class Following:
    """Live updates start after the ``above`` first entries of the tree. ``shown`` rows were added to the page."""

    above: int
    shown: int = 0

    @property
    def goes_on(self) -> bool:
        return self.shown < _MOST_FOLLOWED


def return_to_list(request: HttpRequest, asked: LogFilterForm) -> dict[str, Any]:
    """The query string of a page that saves or exports the filters, and the URL of the list that links to it."""
    query, origin = urlencode(asked.filters), next_url(request, "")
    back_url = origin or (f"{reverse('audit')}?{query}" if query else reverse("audit"))
    return {
        "address": urlencode(asked.filters | ({"next": origin} if origin else {})),
        "back_url": back_url,
    }


class EventList:
    """The list on the page ``url``, whose view has the ``PARTS``. ``fixed`` filters belong to the page.
    ``names`` has the names of objects that the view has read (``showing.with_names``).

    ``show_page`` renders the whole page with the context of the list. ``has_status`` shows the state of the log.
    """

    def __init__(
        self,
        view: PageView[Any],
        url: str,
        show_page: Callable[..., HttpResponse],
        *,
        fixed: Mapping[str, str] | None = None,
        names: Mapping[tuple[str, str], str] | None = None,
        has_status: bool = False,
    ) -> None:
        self.view, self.request, self.url = view, view.request, url
        self.reader: Caller = view.principal
        self.show_page, self.has_status, self.fixed, self.names = show_page, has_status, fixed or {}, names

    def respond(self) -> HttpResponse:
        form = LogFilterForm(self.request.GET, fixed=self.fixed)
        if self.view.target == _KEYS:
            return self._show(keys=self._keys(form.cleaned_data.get("object", "")))
        if self._shows_more(form):
            known = suggest(reader=self.reader)
            form.offer_actions(known.actions)
            keys = [] if "object" in self.fixed else self._keys("")
            shown = {"shows_more": True, "actors": known.actors, "keys": keys}
        else:
            shown = {}
        shown |= self._addresses(form) | {"form": form}
        if self.view.target == _FILTERS:
            return self._show(**shown)
        if form.errors and self.view.target not in {_MORE, _LIVE}:
            return self._reject(shown)
        criteria = form.criteria(process_now())
        return self._arrived(criteria, shown) if self.view.target == _LIVE else self._list(criteria, shown)

    def _shows_more(self, form: LogFilterForm) -> bool:
        """Whether the response has the rare fields, which need the suggestions."""
        if self.view.is_part:
            return self.view.target == _FILTERS or (form.shows_rare and form.rewrites_rare)
        return form.shows_rare or form.has_rare_errors

    def _list(self, criteria: LogCriteria, shown: dict[str, Any]) -> HttpResponse:
        before = number_in(self.request, "before")
        is_live = before is None and self.request.GET.get("live") == "1"
        eras = Eras.read() if is_live else None
        if eras:
            shown["following"] = Following(eras.size)
        with searching.search_logs(reader=self.reader, criteria=criteria, before=before) as found:
            rows = following.in_tree(found.entries, eras) if eras else found.entries
            entries, next_before = found.read(LIMIT, rows)
        stopped_at = None if next_before else found.stopped_at
        shown |= {
            "entries": showing.with_names(self.reader, entries, self.names),
            "next_before": next_before,
            "before": before,
            "depth": SEARCH_DEPTH,
            "most_begun": MOST_BEGUN,
            "is_closed": criteria.until is not None and criteria.until <= process_now(),
            "stopped_at": stopped_at,
            "selection": found.selection,
            "archived_until": self._archived_until(criteria),
        }
        if not criteria.object_id:
            shown["named"] = self._named(shown["form"].filters, criteria, found.selection.names)
        if next_before := next_before or stopped_at:
            shown["more_url"] = self._url({**shown["form"].filters, "before": str(next_before)})
        response = self._show(**shown)
        if self.view.target == _RESULTS:
            response["HX-Push-Url"] = shown["live_address" if is_live else "address"]
        return response

    def _arrived(self, criteria: LogCriteria, shown: dict[str, Any]) -> HttpResponse:
        """The entries since the last update, newest first, and the start of the next one."""
        above, so_far = number_in(self.request, "above"), number_in(self.request, "shown") or 0
        eras = Eras.read()
        above = eras.size if above is None else max(above, eras.size - _MOST_AT_ONCE)
        with searching.search_logs(reader=self.reader, criteria=criteria) as found:
            rows = following.arrived_since(found.rows, above, eras)
            arrived, left_out = found.show(rows.order_by("-id"), LIMIT)
        shown["log_status"] = self._status
        return self._show(
            entries=showing.with_names(self.reader, arrived, self.names),
            has_left_out=left_out is not None,
            following=Following(eras.size, so_far + len(arrived)),
            **shown,
        )

    def _reject(self, shown: dict[str, Any]) -> HttpResponse:
        """Show the errors of the form without results: results of the other filters would look like the requested ones."""
        response = self._show(status=422, **shown)
        response["HX-Push-Url"] = "false"
        return response

    def _show(self, **context: Any) -> HttpResponse:
        context |= {
            "list_url": self.url,
            "is_part": self.view.is_part,
            "sees_all": self.reader.scope(READ_PERMISSION) == "all",
            "may_export": self.reader.has_permission(EXPORT_PERMISSION),
        }
        if self.view.is_part:
            return self.view.page(template=_TEMPLATE, **context)
        return self.show_page(log_status=self._status, **context)

    @cached_property
    def _status(self) -> LogStatus | None:
        return read_log_status(reader=self.reader) if self.has_status else None

    def _archived_until(self, criteria: LogCriteria) -> datetime | None:
        if self.view.is_part or self._status is None:
            return segments.read_archived_until(criteria)
        return segments.archived_until(criteria, self._status.archived_until)

    def _addresses(self, form: LogFilterForm) -> dict[str, Any]:
        """The URLs of the list, the same for every user."""
        filters, address = form.filters, self._url(form.filters)
        wider = {name: value for name, value in filters.items() if name not in {"from", "to"}}
        return {
            "filters": urlencode(filters),
            "new_from_filters": urlencode(form.all_filters | ({"next": address} if form.fixed else {})),
            "address": address,
            "live_address": self._url({**filters, "live": "1"}),
            "wider_address": self._url({**wider, "period": "30d"}),
            "more_filters_url": self._url({**filters, "more": "1"}),
        }

    def _named(
        self, filters: Mapping[str, str], criteria: LogCriteria, names: Sequence[str]
    ) -> list[tuple[str, str]]:
        """The first names that words of the search begin, and the URL of the list of their events alone, which an
        index finds.
        """
        others = {key: value for key, value in filters.items() if key != "search"}
        found = []
        for name in names[:_MOST_NAMED]:
            words = [each for each in criteria.words if not has_part(name, each.lower())]
            search = {"search": " ".join(words)} if words else {}
            found.append((name, self._url(others | {"object": name} | search)))
        return found

    def _url(self, filters: Mapping[str, str]) -> str:
        return f"{self.url}?{urlencode(filters)}" if filters else self.url

    def _keys(self, beginning: str) -> list[str]:
        """Names of keys to choose from."""
        return names_beginning_with(self.reader, "key", beginning.lower(), most=_MOST_NAMES)
