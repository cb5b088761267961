"""A QR code as an SVG path. It needs no image request, no ``style`` attribute and no generated markup."""

from dataclasses import dataclass
from itertools import groupby

import segno

_QUIET_ZONE = 4  # white modules around the code, which scanners need (ISO/IEC 18004)


@dataclass(frozen=True, slots=True)
class _QrCode:
    """``size`` is the number of modules per side, with the quiet zone. ``path`` draws the dark modules."""

    size: int
    path: str


def qr_code(text: str) -> _QrCode:
    rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=_QUIET_ZONE)]
    return _QrCode(len(rows), "".join(_runs(y, row) for y, row in enumerate(rows)))


def _runs(y: int, row: bytes) -> str:
    """The dark runs of one row, as rectangles one module high."""
    path, x = "", 0
    for is_dark, modules in groupby(row):
        length = len(list(modules))
        if is_dark:
            path += f"M{x} {y}h{length}v1h-{length}z"
        x += length
    return path
