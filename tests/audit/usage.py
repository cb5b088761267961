"""The sums of the days, as the sequencer makes them from existing roll-ups."""

from datetime import UTC

from django.db.models.functions import TruncDay

from audit.models import UsageRollup
from audit.sequencing.daily_usage import rebuild_day


def sum_up_days() -> None:
    for day in (
        UsageRollup.objects.annotate(day=TruncDay("hour", tzinfo=UTC))
        .values_list("day", flat=True)
        .distinct()
    ):
        rebuild_day(day)
