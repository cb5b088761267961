from kernel.errors import Unavailable


class StaleDecision(Unavailable):
    """A key, a permission or a user changed while the answer was computed: decide again, on fresh rows.

    ``entities`` are those of the stale stamps (``kernel.freshness.stamps``): at least one of them changed.
    """

    def __init__(self, entities: frozenset[str]) -> None:
        super().__init__("Keys or permissions changed while the request was processed. Try again.")
        self.entities = entities
