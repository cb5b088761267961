"""The order of work: critical notifications first, so that they never wait behind many others."""

from django.db.models import Case, IntegerField, Value, When

from kernel.outbox.topics import Severity, words_of


def urgency(topic: str) -> Case:
    """0 for critical, then 1, then 2. ``topic`` is the path of the column."""
    return Case(
        When(**{f"{topic}__in": words_of(Severity.CRITICAL)}, then=Value(0)),
        When(**{f"{topic}__in": words_of(Severity.WARNING)}, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
