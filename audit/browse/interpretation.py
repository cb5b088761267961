"""Read words of a search as filters: ``failed sign in today`` is a result, an action and a period."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from audit.browse.filters import PERIODS
from audit.browse.qualifiers import OUTCOMES
from audit.browse.selection import split
from audit.log.action_labels import actions_beginning, word_label
from audit.log.events import Outcome, Source

_FIXED = {
    **{word: ("outcome", value) for word, value in OUTCOMES.items()},
    **{word.value: ("outcome", word.value) for word in Outcome},
    # "admin" usually means a user.
    **{word_label(each).lower(): ("source", each.value) for each in Source if each != Source.ADMIN},
    **{label.removesuffix(" (UTC)").lower(): ("period", period) for period, label in PERIODS.items()},
}
_SIGN_IN = "accounts.session.opened"


class _Phrase(NamedTuple):
    words: list[str]
    name: str = ""
    value: str = ""


def interpret(search: str, taken: Collection[str] = ()) -> tuple[str, dict[str, tuple[str, str]]]:
    """The search without the words that are filters; and by the name of each filter, the words and the value.

    A phrase in quotes is no filter, and neither is one of a filter that is ``taken`` or has a value from earlier words: the rest
    has these in quotes, so it has the same meaning when it is searched again.
    """
    found: dict[str, tuple[str, str]] = {}
    rest: list[str] = []
    for phrase in _phrases(split(search)):
        if not phrase.name or phrase.name in {*taken, *found}:
            rest += phrase.words
        else:
            found[phrase.name] = " ".join(phrase.words), phrase.value
    values = {name: value for name, (_, value) in found.items()}
    if values.get("action") == _SIGN_IN and values.get("outcome") == Outcome.ERROR:
        # The log records a wrong password or code as denied.
        found["outcome"] = found["outcome"][0], Outcome.DENIED.value
    again = (f'"{word}"' if phrase.name else word for phrase in _phrases(rest) for word in phrase.words)
    return " ".join(again), found


def _phrases(words: Sequence[str]) -> Iterator[_Phrase]:
    """The longest phrases that are filters, and each other word."""
    start = 0
    while start < len(words):
        end = len(words)
        while end > start + 1 and not _meaning(words[start:end]):
            end -= 1
        phrase = list(words[start:end])
        yield _Phrase(phrase, *_meaning(phrase))
        start = end


def _meaning(words: Sequence[str]) -> tuple[str, ...]:
    """The name and the value of the filter that these words are; nothing if they are none."""
    phrase = " ".join(words).lower()
    if phrase in _FIXED:
        return _FIXED[phrase]
    actions = actions_beginning(phrase)
    if not actions:
        return ()
    return "action", actions[0] if len(actions) == 1 else phrase
