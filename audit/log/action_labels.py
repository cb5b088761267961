"""Labels of audit actions, results and other words, for pages. The log, the API, exports and filters have the codes."""

from collections.abc import Mapping
from itertools import accumulate

from audit.log.events import Outcome, Source
from kernel.actions import Actions

_LABELS: dict[str, str] = {}  # noqa: CC6 - apps register in AppConfig.ready
_GUARDED: set[str] = set()  # noqa: CC6 - likewise
_BEGINNINGS: dict[str, set[str]] = {}  # noqa: CC6 - likewise: the actions, by the first words of their labels
RESULTS: Mapping[str, str] = {Outcome.OK: "allowed", Outcome.DENIED: "denied", Outcome.ERROR: "failed"}


def register(labels: Mapping[str, str]) -> None:
    """Add the labels of an app's actions. Each app calls it when it is ready."""
    _LABELS.update(labels)
    for action, label in labels.items():
        words = label.lower().replace('"', "").split()
        for beginning in accumulate(words, "{} {}".format):
            _BEGINNINGS.setdefault(beginning, set()).add(action)
    if isinstance(labels, Actions):
        _GUARDED.update(labels.guarded)


def is_known(action: str) -> bool:
    """Whether an app has registered the action."""
    return action in _LABELS


def is_guarded(action: str) -> bool:
    """Whether the action changes keys, access or accounts."""
    return action in _GUARDED


def label_of(action: str) -> str:
    """``Revoke key``. An action without a label, as in an altered row, keeps its code."""
    return _LABELS.get(action, str(action))


def actions_beginning(words: str) -> list[str]:
    """The actions whose labels begin with these whole words: ``sign out`` also begins "Sign out everywhere"."""
    return sorted(_BEGINNINGS.get(words.lower(), ()))


def word_label(word: str) -> str:
    """``Service account`` of ``service_account``."""
    return "API" if word == Source.API else str(word).replace("_", " ").capitalize()
