"""Usage of the keys, as a page and as a file."""

import csv

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from audit.usage.charts import RANGES, columns, requested_range
from console import actions
from console.usage.services import read_steps, read_usage
from kernel.clock import process_now
from kernel.pages.views import PageView
from kernel.rules import Rule


class UsageView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("keys.read", actions.USAGE_READ)}
    section = "usage"
    template = "console/usage.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        usage = read_usage(principal=self.principal, chosen=requested_range(request.GET), now=process_now())
        is_of_own_keys = self.principal.scope("keys.read") == "own"
        return self.page(usage=usage, ranges=RANGES.values(), is_of_own_keys=is_of_own_keys)


class UsageFileView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("keys.read", actions.USAGE_READ)}

    def get(self, request: HttpRequest) -> HttpResponse:
        chosen, now = requested_range(request.GET), process_now()
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = (
            f'attachment; filename="usage-{chosen.word}-{now:%Y-%m-%dT%H%MZ}.csv"'
        )
        rows = csv.writer(response)
        rows.writerow([chosen.unit, "allowed", "denied", "failed"])
        steps = read_steps(principal=self.principal, chosen=chosen, now=now)
        rows.writerows(
            [each.label, each.allowed, each.denied, each.failed] for each in columns(chosen, steps)
        )
        return response
