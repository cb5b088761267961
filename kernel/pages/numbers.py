"""Numbers in the query string. Our links set them, but anyone may change them."""

from django.http import HttpRequest

MOST_DIGITS = len(str(2**63)) - 1  # any number with this many digits fits a bigint


def number_in(request: HttpRequest, parameter: str) -> int | None:
    """An id, a size or a count; None for anything else."""
    text = request.GET.get(parameter, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
