"""Refusals in the words of another product."""

from http import HTTPStatus

from kernel.errors import Invalid


class Refusal(Invalid):
    """A refusal with the text of the other product, "" for none, and its status."""

    code = "refused_by_dialect"

    def __init__(self, text: str, status: HTTPStatus) -> None:
        super().__init__(text)
        self.status = status


def wrapped(text: str) -> str:
    """A text as OpenBao lists the errors of its router."""
    return f"1 error occurred:\n\t* {text}\n\n"
