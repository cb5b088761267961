"""What the processor can do at all: AES-256-GCM in OpenSSL's own loop, on one core, without anything around it."""

import re
import subprocess
from dataclasses import dataclass

SIZES = {"message": 64, "block": 1 << 20}


@dataclass(frozen=True)
class Bound:
    """Messages of 64 bytes a second (initialised once, so an upper bound), and bytes a second in large blocks."""

    messages: float
    bytes: float


def measure(seconds: float) -> Bound:
    return Bound(speed(SIZES["message"], seconds) / SIZES["message"], speed(SIZES["block"], seconds))


def speed(size: int, seconds: float) -> float:
    """Bytes a second for inputs of ``size`` bytes."""
    whole = str(max(1, round(seconds)))
    arguments = ["-elapsed", "-mr", "-seconds", whole, "-bytes", str(size), "-evp", "aes-256-gcm"]
    done = subprocess.run(
        ["openssl", "speed", *arguments],  # noqa: S607 - found in PATH, as bin/bench has made sure
        capture_output=True,
        text=True,
        check=True,
        timeout=float(whole) + 30,
    )
    found = re.search(r"^\+F:\d+:[^:]+:([\d.]+)", done.stdout, re.MULTILINE)
    if not found:
        raise ValueError(f"openssl speed printed no result:\n{done.stdout}")
    return float(found[1])
