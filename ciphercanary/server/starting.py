"""Why a role of the server does not start: one line with an id of docs/operations.md, the problem and its remedy."""

SETTING = "ciphercanary.E010"
DATABASE = "ciphercanary.E011"
TRUST = "ciphercanary.E012"
UNPREPARED = "ciphercanary.E013"
ROLE = "ciphercanary.E014"
FOLDER = "ciphercanary.E015"
NEWER = "ciphercanary.E019"


class CannotStart(Exception):
    """The text is the line."""

    def __init__(self, text: str, check_id: str = "") -> None:
        """``check_id`` is "" if the text is made of the messages of system checks, which have their own ids."""
        super().__init__(f"{check_id}: {text}" if check_id else text)
