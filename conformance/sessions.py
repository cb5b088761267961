"""Sessions of real client programs. They are data in ``sessions``, one file for each program:

    COMMAND             must succeed
    NAME = COMMAND      its output is $NAME in the commands below
    fails COMMAND       must not succeed
        TEXT            the output of the command above contains it; runs of spaces are one space

The commands have a folder of their own.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_suffix("")
TIMEOUT_SECONDS = 60
_KEPT = re.compile(r"([A-Z]+) = (.*)")
_FAILS = "fails "


@dataclass
class Step:
    command: str
    name: str = ""
    fails: bool = False
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """``problems``: what was wrong with each step that did not pass."""

    steps: int
    problems: list[str]


def read(text: str) -> list[Step]:
    steps: list[Step] = []
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("    "):
            steps[-1].texts.append(line.strip())
        elif kept := _KEPT.fullmatch(line):
            steps.append(Step(kept[2], name=kept[1]))
        else:
            steps.append(Step(line.removeprefix(_FAILS), fails=line.startswith(_FAILS)))
    return steps


def play(program: str, environment: Mapping[str, str], folder: Path) -> Played:
    """``environment``: added to the one of this process."""
    steps = read((FOLDER / f"{program}.txt").read_text())
    return Played(len(steps), list(problems(steps, environment, folder)))


def problems(steps: list[Step], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    variables = {**os.environ, **environment}
    for step in steps:
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", step.command],
            env=variables,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
            text=True,
            check=False,
        )
        if step.name:
            variables[step.name] = done.stdout.strip()
        output = " ".join(done.stdout.split())
        missing = [text for text in step.texts if text not in output]
        if missing or (done.returncode != 0) != step.fails:
            yield f"{step.command}\n    exit {done.returncode}, without {missing}: {output[:500]}"
