"""Measures a file job: an upload, the work of the worker from file to file, and its memory.

For comparison, the same file is copied and encrypted by ``openssl enc`` on the same disk, each up to ``fsync``.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from bench.product import CipherCanary
from bench.requests import Refused
from bench.singles import Pace
from bench.watch import Watch

SIZE = 1 << 30
QUICK_SIZE = 128 << 20
BLOCK = 1 << 20
JOB_SECONDS = 120  # a job of this size takes seconds


@dataclass(frozen=True)
class FileJob:
    """Bytes per second of the upload, the job, a copy and ``openssl enc``; ``peak`` is the memory of the worker."""

    size: int
    upload: float
    job: float
    peak: int
    copy: float
    openssl: float


def measure(product: CipherCanary, size: int, pace: Pace) -> FileJob:
    rounds = []
    with tempfile.TemporaryDirectory(dir=product.product.home) as folder:
        source = Path(folder) / "source"
        write_random(source, size)
        for _ in range(pace.repeats):
            with Watch(product.product.processes_of("run_worker")) as watch:
                upload, job = run_job(product, source)
            copied = rate_of(size, lambda: copy(source, Path(folder) / "copy"))
            encrypted = rate_of(size, lambda: encrypt(source, Path(folder) / "encrypted"))
            rounds.append((size / upload, size / job, copied, encrypted, watch.peak))
            product.settle()
    upload, job, copied, encrypted, peaks = zip(*rounds, strict=True)
    return FileJob(size, median(upload), median(job), max(peaks), median(copied), median(encrypted))


def run_job(product: CipherCanary, source: Path) -> tuple[float, float]:
    """The seconds of the upload, and those from the start of the job to its end. Raises Refused."""
    path = f"/api/v1/files?operation=encrypt&key_id={product.key_id}"
    headers = {"Content-Type": "application/octet-stream", **product.authorization}
    began = time.monotonic()
    job = upload_file(product.product.port, path, headers, source)
    uploaded = time.monotonic() - began
    until = time.monotonic() + JOB_SECONDS
    while job["status"] in {"pending", "running"}:
        if time.monotonic() > until:
            raise Refused("the file job did not end")
        time.sleep(0.1)
        job = product.product.send("GET", f"/api/v1/files/{job['id']}", token=product.token).json
    if job["status"] != "succeeded":
        raise Refused(f"the file job failed: {job['error_code']}")
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return uploaded, (finished - started).total_seconds()


def upload_file(port: int, path: str, headers: dict[str, str], source: Path) -> Any:
    """The job. Raises Refused."""
    connection = HTTPConnection("127.0.0.1", port, timeout=JOB_SECONDS)
    try:
        with source.open("rb") as file:
            length = {"Content-Length": str(source.stat().st_size)}
            connection.request("POST", path, file, headers | length)
            response = connection.getresponse()
            content = response.read()
    finally:
        connection.close()
    if response.status != 202:
        raise Refused(f"POST {path}: {response.status} {content[:500].decode(errors='replace')}")
    return json.loads(content)


def write_random(path: Path, size: int) -> None:
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for _ in range(size // BLOCK):
            file.write(block)


def rate_of(size: int, work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return size / (time.monotonic() - began)


def copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, BLOCK)
        written.flush()
        os.fsync(written.fileno())


def encrypt(source: Path, target: Path) -> None:
    """With AES-256-CTR: ``openssl enc`` has no authenticated mode."""
    zeros = ["-K", "00" * 32, "-iv", "00" * 16]
    arguments = ["enc", "-aes-256-ctr", *zeros, "-in", str(source), "-out", str(target)]
    subprocess.run(["openssl", *arguments], check=True, timeout=JOB_SECONDS)  # noqa: S607 - bin/bench checks that it is in PATH
    with target.open("rb") as written:
        os.fsync(written.fileno())
