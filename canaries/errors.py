from kernel.errors import Unavailable


class DocumentsAltered(Unavailable):
    """A sealed document, a page of the journal or the position in the log was altered or removed.

    The alarm has the text ``found``.
    """

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self, found: str = "a sealed document is missing or does not open") -> None:
        super().__init__(
            "The sealed documents of this installation were altered or removed. Restore the database from a backup and "
            "find out who changed it."
        )
        self.found = found
