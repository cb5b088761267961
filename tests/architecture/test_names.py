import ast
import re

from django.db.models import Manager

from tests.architecture.sources import (
    CLIENT,
    FOR_DEVELOPMENT,
    PACKAGES,
    ROOT,
    client_files,
    name,
    nodes,
    product_files,
)

# Words without meaning: these names do not help readers find a specific thing.
EMPTY_WORDS = re.compile(r"(?<![a-z])(utils?|helpers?|managers?|misc|common|blobs?|stuff)(?![a-z])")


def words(identifier):
    """``KeyManager`` and ``key_manager`` both become ``key manager``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier).replace("_", " ").lower()


def is_empty(identifier):
    return EMPTY_WORDS.search(words(identifier)) is not None


def test_no_module_has_a_name_that_says_nothing():
    assert [name(path) for path in [*product_files(), *client_files()] if is_empty(path.stem)] == []


def test_no_class_or_function_has_a_name_that_says_nothing():
    found = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in [*product_files(), *client_files()]
        for node in nodes(path)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and is_empty(node.name)
        and not is_django_manager(node)
    ]
    assert found == []


def is_django_manager(node):
    """True for a subclass of Django's ``Manager``, where the word is Django's."""
    return isinstance(node, ast.ClassDef) and any(
        Manager.__name__ in ast.unparse(base) for base in node.bases
    )


def test_the_measure_knows_the_words_in_both_spellings():
    assert all(map(is_empty, ["KeyManager", "key_utils", "Helper", "BlobStore"]))
    assert not any(map(is_empty, ["manage", "commonly", "management", "UtilisationLimit"]))


def test_every_package_of_the_product_is_under_the_import_rules(pyproject):
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - FOR_DEVELOPMENT
    assert packages == set(PACKAGES) == set(pyproject["tool"]["importlinter"]["root_packages"])
    assert packages | {CLIENT} == set(pyproject["tool"]["coverage"]["run"]["source"])


def test_no_import_rule_has_an_exception(pyproject):
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts if "ignore_imports" in contract] == []
