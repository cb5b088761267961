"""A bound on the bytes that one process holds for all its connections. Use it from the event loop only."""


class ByteBudget:
    """At most ``limit`` bytes are charged at any moment."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.charged = 0


class Charge:
    """The part of a budget that one request or connection holds."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    def grow(self, size: int) -> bool:
        """Charge ``size`` more bytes. If the budget has no room for them, charge nothing and return False."""
        budget = self._budget
        charged = budget.charged + size
        if charged > budget.limit:
            return False
        budget.charged = charged
        self.size += size
        return True

    def release(self) -> None:
        """Give everything back. A second call does nothing."""
        self._budget.charged -= self.size
        self.size = 0

    def move(self) -> "Charge":
        """Hand everything over to a new charge. This one is empty afterwards."""
        moved = Charge(self._budget)
        moved.size, self.size = self.size, 0
        return moved
