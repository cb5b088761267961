# ruff: noqa: INP001 - a program
"""Render the kustomize base and two components from the Helm chart.

    .venv/bin/python deploy/kubernetes/render.py [--check]

``--check`` writes nothing, and exits with 1 if a file differs. It needs the program ``helm``, which bin/check-deploy
installs.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "helm" / "ciphercanary"
VALUES = ["kustomize=true", "metrics.operator=true", "backups.enabled=true"]
HEADER = (
    "# Rendered from deploy/helm/ciphercanary by deploy/kubernetes/render.py. Change the chart instead.\n"
)
COMPONENTS = {"backups": "components/backups", "monitoring": "components/prometheus-operator"}
SETTINGS = "settings"  # becomes a generated ConfigMap, whose name changes with its contents
_DOCUMENT = re.compile(r"^---\n# Source: ciphercanary/templates/([\w-]+)\.yaml\n", re.MULTILINE)


def main(arguments: list[str]) -> int:
    files = rendered()
    if arguments == ["--check"]:
        stale = sorted(
            str(path.relative_to(HERE))
            for path in generated() | files.keys()
            if content(path) != files.get(path)
        )
        for name in stale:
            sys.stderr.write(
                f"deploy/kubernetes/{name} is not what the chart renders. Run deploy/kubernetes/render.py.\n"
            )
        return 1 if stale else 0
    for path in generated() - files.keys():
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def rendered() -> dict[Path, str]:
    """The text of each file. Documents of one template go to one file."""
    _, *parts = _DOCUMENT.split("\n" + helm_template())
    documents: dict[str, list[str]] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        documents.setdefault(name, []).append(text.strip() + "\n")
    [settings] = documents.pop(SETTINGS)
    files = {
        HERE / COMPONENTS.get(name, "base") / f"{name}.yaml": HEADER + "---\n".join(texts)
        for name, texts in documents.items()
    }
    lines = [f"{name}={value}\n" for name, value in sorted(yaml.safe_load(settings)["data"].items())]
    return files | {HERE / "base" / f"{SETTINGS}.env": HEADER + "".join(lines)}


def helm_template() -> str:
    helm = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
    if helm is None:
        sys.exit(
            "deploy/kubernetes/render.py: helm is missing. Run bin/check-deploy once, which installs it."
        )
    command = [helm, "template", "ciphercanary", str(CHART), "--set", ",".join(VALUES)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command


def generated() -> set[Path]:
    return {path for path in HERE.glob("*/**/*") if path.is_file() and content(path).startswith(HEADER)}


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
