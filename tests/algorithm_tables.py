"""The tables of ``docs/algorithms.md``, made from the registry. ``python -m tests.endpoint_tables`` rewrites them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.modes import KEM_MODES, MAC_MODES, SEALING_MODES, SIGNING_MODES
from tests.product import ROOT

PAGE: Final = ROOT / "docs" / "algorithms.md"
_YES: Final = {True: "yes", False: ""}


def page() -> str:
    """The text of the page with its tables as they must be."""
    return fill(PAGE, tables())


def fill(page: Path, tables: Mapping[str, str]) -> str:
    """The text of the page, with each table between ``<!-- NAME -->`` and ``<!-- end -->``."""
    text = page.read_text()
    for name, table in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->\n)"
        text, found = re.subn(
            pattern, lambda match, table=table: match[1] + table + match[2], text, flags=re.DOTALL
        )
        assert found == 1, f"{page.name} has no place for {name}"
    return text


def tables() -> dict[str, str]:
    return {
        "key algorithms": table(
            ("key algorithm", "purpose", "bits", "modes", "FIPS-approved", "generated"),
            (
                (
                    f"`{kind.name}`",
                    f"`{kind.purpose}`",
                    f"{kind.key_size:,}",
                    ", ".join(f"`{mode}`" for mode in kind.modes),
                    _YES[kind.status == "approved"],
                    _YES[kind.protects],
                )
                for kind in KEY_ALGORITHMS
            ),
        ),
        "modes of encryption": table(
            ("mode", "suite", "iv", "tag", "aad", "messages of one version", "FIPS-approved"),
            (
                (
                    f"`{mode.name}`",
                    str(mode.suite or ""),
                    str(mode.iv_size),
                    str(mode.tag_size),
                    _YES[mode.takes_aad],
                    "" if mode.invocation_limit is None else f"{mode.invocation_limit:,}",
                    _YES[mode.status == "approved"],
                )
                for mode in SEALING_MODES.values()
            ),
        ),
        "signing algorithms": table(
            ("signing algorithm", "takes a digest", "raw form"),
            (
                (f"`{mode.name}`", mode.digest or "", _YES[mode.has_raw_form])
                for mode in SIGNING_MODES.values()
            ),
        ),
        "other modes": table(
            ("mode", "result in bytes"),
            (
                *((f"`{mode.name}`", f"MAC, {mode.size}") for mode in MAC_MODES.values()),
                *((f"`{mode.name}`", f"ciphertext, {mode.ciphertext_size:,}") for mode in KEM_MODES.values()),
            ),
        ),
    }


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |".replace("  ", " ") for cells in lines) + "\n"
