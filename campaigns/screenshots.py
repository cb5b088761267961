"""Screenshots of the running product, with the data of ``load_demo``.

python -m campaigns.screenshots [--all FOLDER]

Without arguments it makes those of the README, in ``docs/images``. With a folder it makes one of every page
that an administrator or an officer can reach, wide and narrow, light and dark, for visual inspection.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, sync_playwright

from demo.data import OFFICER
from tests.e2e.access import SIGNING, add_account, add_log_target, add_signing_key, add_token, add_webhook
from tests.e2e.browser import NARROW, WIDE, follow, launch, person
from tests.product import PASSWORD, ROOT, Product

PICTURES = {
    "home": ("/home/", "light"),
    "home-dark": ("/home/", "dark"),
    "keys": ("/keys/", "light"),
    "key": ("/keys/card-pan-vault/", "light"),
    "key-dark": ("/keys/card-pan-vault/", "dark"),
    "try-it": ("/keys/payments-db/try/", "light"),
    "audit": ("/audit/", "light"),
}
OFFICER_PAGES = {
    "canaries": "/canaries/",
    "incidents": "/canaries/incidents/",
    "channels": "/canaries/channels/",
    "offices": "/canaries/offices/",
    "plant-key": "/canaries/plant/key/",
    "plant-ciphertext": "/canaries/plant/ciphertext/",
}
SIZES = {"1280": WIDE, "360": NARROW}
SETTLED = 3  # seconds until the sequencer has updated the usage figures


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m campaigns.screenshots")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, for review")
    asked = parser.parse_args(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "ciphercanary.settings"
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's event loop is not asynchronous code of ours
    django.setup()
    folder = asked.all or ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        product = Product(Path(scratch), is_new=True)
        codes = [line.strip() for line in product.load_demo(days=60).splitlines() if line.startswith("  ")]
        stack.enter_context(product)
        base = f"http://127.0.0.1:{product.port}"
        browser = launch(stack.enter_context(sync_playwright()))
        if asked.all:
            shoot_all(browser, product, base, folder)
            shoot_officer(browser, base, folder, codes[0])
        else:
            shoot_readme(browser, base, folder)
            shoot_incident(browser, base, folder, codes[0])
    return 0


def shoot_readme(browser: Browser, base: str, folder: Path) -> None:
    with person(browser, base) as somebody:
        page = somebody.sign_in("mira", PASSWORD).page
        page.wait_for_timeout(SETTLED * 1000)
        for name, (path, theme) in PICTURES.items():
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two words
            somebody.open(path)
            page.screenshot(path=folder / f"{name}.png", animations="disabled")


def shoot_incident(browser: Browser, base: str, folder: Path, code: str) -> None:
    with person(browser, base) as officer:
        page = officer.sign_in(OFFICER, code=code).page
        officer.open("/canaries/incidents/")
        follow(page, page.locator("tbody a").first)
        for name, theme in (("canary-incident", "light"), ("canary-incident-dark", "dark")):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two words
            page.screenshot(path=folder / f"{name}.png", animations="disabled")


def shoot_officer(browser: Browser, base: str, folder: Path, code: str) -> None:
    with person(browser, base) as officer:
        page = officer.sign_in(OFFICER, code=code).page
        for name, path in OFFICER_PAGES.items():
            officer.open(path)
            shoot_page(page, folder / f"officer-{name}")
        for name in ("canaries", "incidents"):  # the page of the first of them
            officer.open(OFFICER_PAGES[name])
            follow(page, page.locator("tbody a").first)
            shoot_page(page, folder / f"officer-{name}-first")


def shoot_all(browser: Browser, product: Product, base: str, folder: Path) -> None:
    from tests.e2e.wandering import FILES, wander  # noqa: PLC0415 - routes need a set-up Django

    add_token(product, "mira")
    add_signing_key(product, "mira")
    add_account(product, "mira")
    add_webhook(product, "mira")
    add_log_target(product, "mira")
    with person(browser, base) as somebody:
        somebody.sign_in("mira", PASSWORD).page.wait_for_timeout(SETTLED * 1000)
        keys = ("card-pan-vault", "payouts-2027", "legacy-csv", "partner-acme-sftp", "loyalty-points")
        more = (f"/keys/{keys[0]}/versions/", "/keys/ledger-exports/versions/", "/policies/legacy-aes-128/")
        start = ["/home/", *(f"/keys/{key}/" for key in (*keys, SIGNING)), *more]
        for number, name in enumerate(wander(somebody, "admin", start)):
            if name not in FILES:
                shoot_page(somebody.page, folder / f"{number:02}-{name}")


def shoot_page(page: Page, path: Path) -> None:
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)  # type: ignore[arg-type]  # width and height
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of two words
            page.screenshot(path=f"{path}-{size}-{theme}.png", full_page=True, animations="disabled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
