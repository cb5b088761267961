from canaries.naming import MOST, suggest

NAMES = ["payments-db", "orders-db", "orders-api", "backup-2025", "backup-2024", "billing_key"]


def test_suggestions_are_new_and_have_the_form_of_existing_names():
    found = {name for _ in range(100) for name in suggest(NAMES)}
    assert "payments-api" in found
    assert found & {"backup-2023", "backup-2026"}
    assert not found & set(NAMES)
    parts = {part for name in NAMES for part in name.replace("_", "-").split("-")}
    assert all(part in parts or part.isdigit() for name in found for part in name.split("-"))


def test_there_are_few_suggestions_and_none_without_a_pattern():
    many = [f"{one}-{other}" for one in ("a", "b", "c", "d") for other in ("x", "y", "z")]
    assert suggest(many) == []  # each combination exists
    assert len(suggest(many[::2])) == MOST
    assert suggest(["payments-db", "orders_key"]) == []
    assert suggest([]) == []


def test_a_number_keeps_its_digits():
    found = {name for _ in range(100) for name in suggest(["node-01", "node-99"])}
    assert found == {"node-00", "node-02", "node-98"}
