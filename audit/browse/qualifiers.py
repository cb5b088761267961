"""Parse the search input of the log: words, and qualifiers such as ``actor:mira result:denied after:2026-11-01``."""

import re
from types import MappingProxyType

from audit.log.action_labels import RESULTS

# The results as the list shows them, and their outcomes in the log.
OUTCOMES = MappingProxyType({word: str(outcome) for outcome, word in RESULTS.items()})
# The typed name, and the filter's name in the API.
QUALIFIERS = MappingProxyType(
    {
        "actor": "actor",
        "type": "actor_type",
        "action": "action",
        "object": "object",
        "result": "outcome",
        "outcome": "outcome",
        "source": "source",
        "request": "request_id",
        "ip": "client_ip",
        "after": "from",
        "before": "to",
    }
)
# Alternatives in order, so that a quote that is never closed is an ordinary character.
_TOKEN = re.compile(rf'(?P<name>{"|".join(QUALIFIERS)}):(?P<value>"[^"]*"|\S+)|"[^"]+"|\S+', re.IGNORECASE)


_LIKE_ONE = re.compile(r"([a-z_]+):\S", re.IGNORECASE)


def similar_words(words: str) -> list[str]:
    """The names, as typed, of words that look like qualifiers but are none."""
    return [found[1] for word in words.split() if (found := _LIKE_ONE.match(word))]


def read_search(text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The words, and the typed name, API filter and value of each qualifier.

    ``x:y`` is a word if ``x`` is not a qualifier, because addresses and URLs are searched for, too.
    """
    words, found = [], []
    for token in _TOKEN.finditer(text):
        typed, value = token["name"], token["value"]
        if typed is None:
            words.append(token[0])
        else:
            found.append((typed.lower(), QUALIFIERS[typed.lower()], value.strip('"')))
    return " ".join(words), found
