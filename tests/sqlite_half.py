"""pytest plugin for the second half of bin/test: keeps what touches the database and can do so on SQLite."""

import pytest

NEEDS_SERVICES = ("postgresql", "redis")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if touches_database(item) and not needs_services(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def touches_database(item: pytest.Item) -> bool:
    """Say whether pytest-django opens the database for the test, or its mark says that it starts a server."""
    by_mark = any(item.get_closest_marker(mark) for mark in ("django_db", "database"))
    return by_mark or not {"db", "transactional_db"}.isdisjoint(getattr(item, "fixturenames", ()))


def needs_services(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) for mark in NEEDS_SERVICES)
