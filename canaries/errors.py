from kernel.errors import Unavailable


class DocumentsAltered(Unavailable):
    """A sealed document is missing or does not open."""

    code = "sealed_documents_altered"
    title = "Sealed documents were altered"

    def __init__(self) -> None:
        super().__init__(
            "The sealed documents of this installation were altered or removed. Restore the database from a backup and "
            "find out who changed it."
        )
