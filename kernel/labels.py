"""Labels: short texts from users, such as tags of keys and reasons of changes. Raises Invalid with the field."""

from typing import Final

from kernel.errors import Invalid

MAX_REASON: Final = 100  # characters


def check_reason(reason: str) -> None:
    if not is_label(reason, MAX_REASON):
        raise Invalid.of_field(
            "reason", f"Use 1 to {MAX_REASON} printable characters, without leading or trailing spaces."
        )


def is_label(text: str, max_length: int) -> bool:
    """Whether a text is a valid label. An invisible or right-to-left mark could make one label look like another."""
    return 0 < len(text) <= max_length and text.isprintable() and text == text.strip()
