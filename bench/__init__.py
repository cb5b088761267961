"""The benchmarks. The client is a part of this repository that is not installed here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "clients" / "python"))
