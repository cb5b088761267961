"""Output of a long-running campaign."""

import sys


def log(text: str) -> None:
    """Print the line at once, also into a file or pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
