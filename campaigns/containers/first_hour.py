"""Follow the README as a new user: its five calls with curl, its Python program, the sign-in page and a job.

    python -m campaigns.containers.first_hour --url https://localhost:8443 --certificate certificate.pem

It needs curl and the development packages. The administrator is tests.product's.
"""

import argparse
import os
import re
import subprocess
import sys
import time

from campaigns.containers.published import Published
from tests.output import log
from tests.product import PASSWORD, ROOT

README = (ROOT / "README.md").read_text()
HELLO = "aGVsbG8="
JOB_SECONDS = 60


def main() -> int:
    """Return 0 if every step works as documented."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--certificate", required=True)
    options = parser.parse_args()
    service = Published(options.url, options.certificate)
    environment = os.environ | {
        "URL": options.url,
        "PASSWORD": PASSWORD,
        "CURL_CA_BUNDLE": options.certificate,
        "SSL_CERT_FILE": options.certificate,
        "CIPHERCANARY_URL": options.url,
        "CIPHERCANARY_TOKEN": service.token(),
        "PYTHONPATH": str(ROOT / "clients" / "python"),
    }
    failed = [
        name
        for name, is_good in (
            ("the five calls", follow_the_calls(environment)),
            ("the Python program", follow_the_program(environment)),
            ("the sign-in page and its style sheet", has_pages(service)),
            ("an export of the audit log by the worker", exports(service)),
        )
        if not is_good
    ]
    log("\n".join(f"failed: {name}" for name in failed) or "the README works as written")
    return 1 if failed else 0


def follow_the_calls(environment: dict[str, str]) -> bool:
    """The blocks of the section, then call 4 again, which decrypts with the previous version."""
    section = README.split("## Five calls")[1].split("\n## ")[0]
    variables, *calls = re.findall(r"^ *```sh\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    function = variables.split("\n", 1)[1]  # the line before it sets the URL and the password
    output = run(["bash", "-euc", "\n".join([function, *calls, calls[3]])], environment)
    # The responses that `field` does not read end without a line break.
    return "cc1." in output and output.count(f"{HELLO}\n") == 2 and output.endswith(f"{HELLO}\n")


def follow_the_program(environment: dict[str, str]) -> bool:
    [program] = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return run([sys.executable, "-c", program], environment) == "b'hello'\n"


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        log(f"{done.stdout}{done.stderr}")
    return done.stdout


def has_pages(service: Published) -> bool:
    page = service.send("GET", "/login/")
    [style] = re.findall(rb'<link [^>]*href="(/static/[^"]+\.css)"', page.content)[:1] or [b"/"]
    return page.status == 200 and service.send("GET", style.decode()).status == 200


def exports(service: Published) -> bool:
    token = service.token()
    job = service.send("POST", "/api/v1/audit/exports", {"format": "jsonl"}, token=token)
    deadline = time.monotonic() + JOB_SECONDS
    while job.status in {200, 202} and time.monotonic() < deadline:
        if job.json["status"] not in {"pending", "running"}:
            return job.json["status"] == "succeeded"
        time.sleep(0.5)
        job = service.send("GET", f"/api/v1/operations/{job.json['id']}", token=token)
    log(job.content.decode())
    return False


if __name__ == "__main__":
    sys.exit(main())
