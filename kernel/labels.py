"""Texts from users: names (of keys, policies and service accounts), labels (tags, reasons of changes), and prose.

A character that readers cannot see could make one text look like another, or reverse the order in which a browser
shows it (Unicode TR 36, "Bidirectional Text Spoofing"; RFC 9839). Such characters are refused. Rows that were stored
before this rule are shown with ``reveal``.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from kernel.errors import Invalid

MAX_REASON: Final = 100  # characters
NAME: Final = re.compile(r"[a-z0-9-]{3,64}")
NAME_RULE: Final = "Use 3 to 64 characters: a-z, 0-9 and hyphen."
# Persian, Indic scripts and emoji need these two between their letters.
_JOINERS: Final = frozenset("\u200c\u200d")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode categories
_NONCHARACTERS: Final = range(0xFDD0, 0xFDF0)  # and the last two of each plane
_PLANE_END: Final = 0xFFFE


def check_name(name: str) -> None:
    """Raises Invalid."""
    if not NAME.fullmatch(name):
        raise Invalid.of_field("name", NAME_RULE)


def check_reason(reason: str) -> None:
    """Raises Invalid."""
    if fault := label_fault(reason, MAX_REASON):
        raise Invalid.of_field("reason", fault)


def label_fault(text: str, max_length: int) -> str:
    """Why a text is no valid label, as a sentence; "" if it is one. A label is one line of printable characters."""
    if hidden := _first(text, lambda char: not char.isprintable()):
        return hidden
    if not 0 < len(text) <= max_length or text != text.strip():
        return f"Use 1 to {max_length} printable characters, without leading or trailing spaces."
    return ""


def prose_fault(text: str, max_length: int) -> str:
    """Why a text is no valid prose, as a sentence; "" if it is. Prose may have several lines, and may be empty."""
    if len(text) > max_length:
        return f"Use at most {max_length} characters."
    return _first(text, _is_hidden)


def reveal(text: str) -> str:
    """The text with ``[U+202E]`` in place of each character that prose must not contain."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"[{_code_of(char)}]" if _is_hidden(char) else char for char in text)


def _first(text: str, is_refused: Callable[[str], bool]) -> str:
    """The sentence about the first refused character; "" if there is none."""
    for position, char in enumerate(text, start=1):
        if is_refused(char):
            name = unicodedata.name(char, "")
            return f"Remove the character {_code_of(char)}{name and f' ({name})'} at position {position}."
    return ""


def _is_hidden(char: str) -> bool:
    """Whether a reader cannot see the character: a control, a bidi control, a surrogate or a noncharacter."""
    if char in "\n\t" or char in _JOINERS:
        return False
    is_noncharacter = ord(char) in _NONCHARACTERS or ord(char) & _PLANE_END == _PLANE_END
    return is_noncharacter or unicodedata.category(char) in _HIDDEN


def _code_of(char: str) -> str:
    return f"U+{ord(char):04X}"
