"""Details of refusals beyond the limits of ``audit.log.refusal_deduplication``, which share an entry.

The entry has them as a text of a fixed size, in every installation and for every request, which only the application
can read. An app registers their source when it is ready.
"""

from typing import Protocol

from audit.log.events import Actor, Event


class Details(Protocol):
    """Of the refusals of one entry."""

    def add(self, event: Event, actor: Actor) -> None:
        """Called by requests, one at a time. Reads memory only, and takes equally long for every id."""

    def sealed(self) -> str:
        """The text, base64. Never raises."""


class Source(Protocol):
    def begin(self) -> Details:
        """Empty details of a new entry."""

    def refresh(self) -> None:
        """Read what ``Details.add`` needs. Called once a second, not by requests, while there are such refusals.

        Never raises.
        """

    def forget(self) -> None:
        """Nothing is needed until the next ``refresh``."""


_sources: list[Source] = []  # noqa: CC6 - an app registers in AppConfig.ready


def register(source: Source) -> None:
    _sources[:] = [source]


def begin() -> Details | None:
    return next((source.begin() for source in _sources), None)


def refresh() -> None:
    for source in _sources:
        source.refresh()


def forget() -> None:
    for source in _sources:
        source.forget()
