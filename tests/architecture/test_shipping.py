"""Every package of the product is in each list that ships or checks it."""

import shutil
import tomllib
from pathlib import Path

from tests.architecture.sources import FOR_DEVELOPMENT, PACKAGES, ROOT


def packages(root: Path) -> set[str]:
    """The top-level packages that belong to the product."""
    return {path.parent.name for path in root.glob("*/__init__.py")} - FOR_DEVELOPMENT


def missing(root: Path) -> list[str]:
    """``name: list`` for each name that a list in ``root`` lacks."""
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    wheel, imports = tools["hatch"]["build"]["targets"]["wheel"], tools["importlinter"]
    context = {
        line[2:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!/")
    }
    shipped = packages(root)
    needed = {
        "packages of the wheel": (shipped, wheel["packages"]),
        "root_packages of import-linter": (shipped, imports["root_packages"]),
        "layers of import-linter": (shipped, imports["contracts"][0]["layers"]),
        "source of coverage": (shipped, tools["coverage"]["run"]["source"]),
        ".dockerignore": ({*wheel["packages"], *wheel["force-include"], *wheel["shared-scripts"]}, context),
    }
    return sorted(
        f"{name}: {place}" for place, (names, listed) in needed.items() for name in names - set(listed)
    )


def test_every_package_is_shipped_and_checked():
    assert missing(ROOT) == []
    assert packages(ROOT) == set(PACKAGES)


def test_a_package_that_nothing_ships_is_found(tmp_path):
    for name in ("pyproject.toml", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (*PACKAGES, "tests", "invoices"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    ignored = (tmp_path / ".dockerignore").read_text().replace("!/notifications\n", "")
    (tmp_path / ".dockerignore").write_text(ignored)
    assert missing(tmp_path) == [
        "invoices: layers of import-linter",
        "invoices: packages of the wheel",
        "invoices: root_packages of import-linter",
        "invoices: source of coverage",
        "notifications: .dockerignore",
    ]
