"""The upper bound of the processor: AES-256-GCM in OpenSSL's own loop, on one core."""

import re
import subprocess
from dataclasses import dataclass

SIZES = {"message": 64, "block": 1 << 20}


@dataclass(frozen=True)
class Bound:
    """Messages of 64 bytes per second (initialised once, so an upper bound), and bytes per second in large blocks."""

    messages: float
    bytes: float


def measure(seconds: float) -> Bound:
    return Bound(speed(SIZES["message"], seconds) / SIZES["message"], speed(SIZES["block"], seconds))


def speed(size: int, seconds: float) -> float:
    """Bytes per second for inputs of ``size`` bytes."""
    whole = str(max(1, round(seconds)))
    arguments = ["-elapsed", "-mr", "-seconds", whole, "-bytes", str(size), "-evp", "aes-256-gcm"]
    done = subprocess.run(
        ["openssl", "speed", *arguments],  # noqa: S607 - bin/bench checks that it is in PATH
        capture_output=True,
        text=True,
        check=True,
        timeout=float(whole) + 30,
    )
    found = re.search(r"^\+F:\d+:[^:]+:([\d.]+)", done.stdout, re.MULTILINE)
    if not found:
        raise ValueError(f"openssl speed printed no result:\n{done.stdout}")
    return float(found[1])
