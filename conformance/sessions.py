"""Sessions of real client programs. They are data in ``sessions``, one file for each program:

    COMMAND             must succeed
    NAME = COMMAND      its output is $NAME in the commands below
    fails COMMAND       must not succeed
        TEXT            the output of the command above contains it; runs of spaces are one space

The commands run in a folder, with the given environment only. Keys that they create must not exist before.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_suffix("")
TIMEOUT_SECONDS = 60
_LINE = re.compile(r"(?:([A-Z]+) = |(fails ))?(?!fails |\w+ = )(\S.*)")
_NOT_RUN = {126, 127}  # exit codes of bash: the program is missing


@dataclass
class Step:
    command: str
    name: str = ""
    fails: bool = False
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """``problems``: why steps did not pass."""

    steps: int
    problems: list[str]


def read(text: str) -> list[Step]:
    """Raises ValueError for a line in another form."""
    steps: list[Step] = []
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("    ") and steps:
            steps[-1].texts.append(line.strip())
        elif found := _LINE.fullmatch(line):
            steps.append(Step(found[3], name=found[1] or "", fails=bool(found[2])))
        else:
            raise ValueError(f"not a step: {line}")
    return steps


def play(program: str, environment: Mapping[str, str], folder: Path) -> Played:
    steps = read((FOLDER / f"{program}.txt").read_text())
    return Played(len(steps), list(problems(steps, environment, folder)))


def problems(steps: list[Step], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    variables = {"HOME": str(folder), **environment}
    for step in steps:
        try:
            done = subprocess.run(
                ["/bin/bash", "-o", "pipefail", "-c", step.command],
                env=variables,
                cwd=folder,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield f"{step.command}\n    not finished after {TIMEOUT_SECONDS} s"
            continue
        if step.name:
            variables[step.name] = done.stdout.strip()
        output = " ".join(f"{done.stdout} {done.stderr}".split())
        missing = [text for text in step.texts if text not in output]
        is_expected = done.returncode not in _NOT_RUN and (done.returncode != 0) is step.fails
        if missing or not is_expected:
            yield f"{step.command}\n    exit {done.returncode}, without {missing}: {output[:500]}"
