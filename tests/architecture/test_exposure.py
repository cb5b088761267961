"""A dangerous construct has a marker on one of its lines: ``# noqa: CC1 - reason``. RULES explains the codes."""

import ast
import sys

import pytest

from tests.architecture.sources import (
    APPS,
    calls,
    functions,
    imported_modules,
    is_interface,
    marker_faults,
    name,
    nodes,
    product_files,
    tree,
)

VISIBLE = {"visible_to", "within_reach_of"}
OWNED = {"Key", "KeyVersion", "KeyRotation", "AuditLog", "AuditTrail"}
SAVING = {
    "save",
    "create",
    "bulk_create",
    "update",
    "bulk_update",
    "delete",
    "get_or_create",
    "update_or_create",
}


def attribute(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def exposes_key_bytes(node):
    return isinstance(node, ast.Call) and attribute(node) == "expose"


def bypasses_visibility(node):
    """Match ``Key.objects.x`` unless x is ``visible_to`` or writes, and ``unique_name(Key, …)``."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "unique_name":
        return getattr(node.args[0], "id", "") in OWNED
    return (
        isinstance(node, ast.Attribute)
        and node.attr not in VISIBLE | SAVING
        and ast.unparse(node.value) in {f"{model}.objects" for model in OWNED}
    )


def writes_without_mac(node):
    return isinstance(node, ast.Call) and attribute(node) in SAVING and is_about_rows(node)


def is_about_rows(call):
    """Exclude methods of the same name on dicts, hashes and gauges, and our own services."""
    receiver = ast.unparse(call.func.value)
    return (
        "objects" in receiver or attribute(call) == "save" or ".filter(" in receiver or receiver == "device"
    )


def moves_the_clock(node):
    """Match each mention of the function, also as the text of a late import."""
    named = [getattr(node, field, None) for field in ("id", "attr", "name", "value")]
    return any(isinstance(each, str) and "running_from" in each for each in named)


# Each reason says why users still see only their own rows, why the row needs no MAC, and so on.
RULES = {
    "CC1": exposes_key_bytes,
    "CC2": bypasses_visibility,
    "CC3": writes_without_mac,  # Django's own methods, for tables without a MAC or columns outside it
    "CC4": moves_the_clock,  # import contracts also protect its module
}


@pytest.mark.parametrize("code", RULES)
def test_a_dangerous_construct_has_a_marker_with_its_reason(code):
    """In the core, all functions use the bytes of keys."""
    files = [path for path in product_files() if not name(path).startswith("kernel/crypto/")]
    found = {
        name(path): faults
        for path in files
        if (faults := marker_faults(code, filter(RULES[code], nodes(path)), path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("CC1", "seed.expose()"),
        ("CC2", "Key.objects.filter(name=name)"),
        ("CC2", "unique_name(Key, name)"),
        ("CC3", "device.delete()"),
        ("CC3", "row.save()"),
        ("CC3", "Key.objects.filter(\n    pk=1,\n).update(name=name)"),
        ("CC4", "from kernel.demo_clock import running_from"),
        ("CC4", "import_module('kernel.demo_clock:running_from')"),
    ],
)
def test_a_missing_and_a_superfluous_marker_are_found(code, source):
    def faults(text):
        return marker_faults(code, filter(RULES[code], ast.walk(ast.parse(text))), text)

    assert faults(source) == ["1: add " + code]
    assert faults(f"{source}  # noqa: S1, {code}") == ["1: add " + code]
    assert faults(f"{source}  # noqa: S1, {code} - a reason") == []
    assert faults(f"harmless()  # noqa: {code} - a reason") == [f"1: remove {code}"]


@pytest.mark.parametrize("source", ["Key.objects.visible_to(me)", "User.objects.all()", "hash.update(text)"])
def test_a_harmless_construct_needs_no_marker(source):
    assert not any(rule(node) for rule in RULES.values() for node in ast.walk(ast.parse(source)))


def test_no_interface_writes_rows_or_opens_transactions():
    interfaces = [path for path in product_files() if is_interface(path)]
    assert {name(path).split("/")[0] for path in interfaces} == set(APPS)
    writing = [f"{name(path)}:{call.lineno}" for path in interfaces for call in calls(path) if writes(call)]
    assert writing == []
    opening = {
        name(path): faults
        for path in interfaces
        if (faults := marker_faults("CC5", filter(imports_transaction, nodes(path)), path.read_text()))
    }
    assert opening == {}


def writes(call):
    return writes_without_mac(call) or attribute(call) == "save_with_mac"


def imports_transaction(node):
    return isinstance(node, ast.ImportFrom) and "transaction" in {alias.name for alias in node.names}


def test_no_model_has_logic_in_save():
    models = [path for path in product_files() if "models" in name(path)]
    found = {function.name for path in models for function in functions(tree(path))}
    assert "mac_fields" in found
    assert not found & {"save", "delete", "clean", "full_clean"}


def test_the_core_imports_the_standard_library_cryptography_and_base64_only():
    core = [path for path in product_files() if name(path).startswith("kernel/crypto/")]
    imported = {module.split(".")[0] for path in core for module in imported_modules(path)}
    assert imported - set(sys.stdlib_module_names) == {"kernel", "cryptography", "pybase64"}
