"""The topics of notifications, as data. Each app registers its own when it is ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A kind of notification. ``text`` is a format of the facts and of ``name``, the name of the object.

    ``summary`` is the text of one notification about many objects: its facts have their number, ``count``.
    Recipients can choose the topics that they receive, except those that are not ``is_selectable``. One that ``warns_users``
    also goes to the user that it is about and to all administrators.
    """

    word: str
    label: str
    severity: Severity
    text: str
    summary: str = ""
    is_selectable: bool = True
    warns_users: bool = False

    def sentence(self, name: str, facts: Mapping[str, object]) -> str:
        """The text of one notification; the label if a fact is missing."""
        try:
            text = self.summary if self.summary and "count" in facts else self.text
            return text.format_map({**facts, "name": name})
        except (KeyError, ValueError):
            return self.label


_TOPICS: dict[str, Topic] = {}  # noqa: CC6 - apps register in AppConfig.ready


def register(*topics: Topic) -> None:
    _TOPICS.update({topic.word: topic for topic in topics})


def topic_of(word: str) -> Topic:
    """An unknown word, such as one of a newer version, is a topic with the word as its label."""
    escaped = word.replace("{", "{{").replace("}", "}}")
    unknown = Topic(word=word, label=word, severity=Severity.INFO, text=escaped, is_selectable=False)
    return _TOPICS.get(word, unknown)


def selectable_topics() -> list[Topic]:
    return [topic for topic in _TOPICS.values() if topic.is_selectable]


def words_of(severity: Severity) -> list[str]:
    """The words of the topics with this severity."""
    return [topic.word for topic in _TOPICS.values() if topic.severity is severity]
