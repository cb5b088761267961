"""Numbers that links of ours put into the URL, and anybody may change."""

from django.http import HttpRequest

MOST_DIGITS = len(str(2**63)) - 1  # whatever has no more fits a bigint


def number_in(request: HttpRequest, parameter: str) -> int | None:
    """An id, a size or a count; None for whatever is none."""
    text = request.GET.get(parameter, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
