"""Run the programs of *Use it* of transit keys with the real clients, exactly as the page shows them."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

# The body that creates each key, and the end of each program's output, without regard to case.
KEYS = {
    "programs-orders": ({"type": "aes256-gcm96"}, "hello canary"),
    "programs-tenants": ({"type": "aes256-gcm96", "derived": True}, "hello canary"),
    "programs-letters": ({"type": "rsa-2048"}, "true"),
    "programs-marks": ({"type": "hmac", "key_size": 32}, "true"),
}
# SOPS only encrypts.
ENDS = {"sops": "hello canary"}
COUNT = 14  # of all programs of these keys
TIMEOUT_SECONDS = 60
_PROGRAM = re.compile(r"<pre[^>]*data-value>(.*?)</pre>", re.DOTALL)
_LANGUAGE = re.compile(r'href="\?lang=(\w+)"')


def problems(url: str, password: str, environment: Mapping[str, str]) -> Iterator[str]:
    """For each program: why it did not end as expected; "" if it did."""
    with requests.Session() as browser:
        sign_in(browser, url, password)
        for name, (body, end) in KEYS.items():
            headers = {"X-Vault-Token": environment["VAULT_TOKEN"]}
            created = requests.post(
                f"{url}/v1/transit/keys/{name}", json=body, headers=headers, timeout=TIMEOUT_SECONDS
            )
            created.raise_for_status()
            [page] = re.findall(
                rf'href="(/keys/transit-{name}-[^"/]+/)"', shown(browser, f"{url}/keys/?search={name}")
            )[:1]
            page = f"{url}{page}use/"
            for language in _LANGUAGE.findall(shown(browser, page)):
                programs = [
                    unescape(text) for text in _PROGRAM.findall(shown(browser, f"{page}?lang={language}"))
                ]
                returncode, output = run(language, programs, environment)
                is_expected = output.casefold().rstrip().endswith(ENDS.get(language, end))
                yield "" if is_expected and not returncode else f"{language} of {name}: {output[-500:]}"


def sign_in(browser: requests.Session, url: str, password: str) -> None:
    page = shown(browser, f"{url}/login/")
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
    form = {"csrfmiddlewaretoken": token, "username": "admin", "password": password}
    browser.post(f"{url}/login/", data=form, timeout=TIMEOUT_SECONDS).raise_for_status()


def shown(browser: requests.Session, url: str) -> str:
    page = browser.get(url, timeout=TIMEOUT_SECONDS)
    page.raise_for_status()
    return page.text


def run(language: str, programs: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """The first program is of the shell, and reads the token. Returns the exit status, and the errors and the output."""
    first, others = programs[0], "\n".join(programs[1:])
    with TemporaryDirectory() as folder:
        if language == "hvac":
            Path(folder, "program.py").write_text(others)
            others = "python program.py"
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", first + others],
            input=environment["VAULT_TOKEN"] + "\n",
            env={"HOME": folder, "PATH": environment["PATH"]},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    return done.returncode, done.stderr + done.stdout
