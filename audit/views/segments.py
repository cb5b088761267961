"""The page of the archive: how the log is archived, and its segments."""

from django.http import HttpRequest, HttpResponse

from audit import actions
from audit.archive.contents import count_moved
from audit.services import segments
from audit.services.alarms import LIST_PERMISSION
from kernel.pages.views import PageView, number_in
from kernel.rules import Caller, Rule

LIMIT = 50
_MOST_PAGES = 100_000


class SegmentListView(PageView[Caller]):
    rules = {"GET": Rule(LIST_PERMISSION, actions.SEGMENT_LISTED)}
    section = "audit"
    template = "audit/archive.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        page = min(max(number_in(request, "page") or 1, 1), _MOST_PAGES)
        found = segments.find_segments(principal=self.principal)
        rows = segments.checked(found[(page - 1) * LIMIT : page * LIMIT + 1])
        return self.page(
            archive=segments.read_archive_state(principal=self.principal),
            segments=[(row, count_moved(row)) for row in rows[:LIMIT]],
            before=page - 1,
            after=page + 1 if len(rows) > LIMIT else 0,
        )
