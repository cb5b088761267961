"""36: the theme persists, and the first paint already has its colours."""

import pytest

from tests.e2e.browser import person
from tests.product import PASSWORD

LIGHT, DARK = "rgb(247, 247, 244)", "rgb(18, 22, 27)"
BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"
# The background at each frame from the first, recorded before any script of the page runs.
WATCH = f"""
window.__seen = [];
const note = () => {{ if (document.documentElement && document.styleSheets.length) window.__seen.push({BACKGROUND}); }};
const every = () => {{ note(); requestAnimationFrame(every); }};
requestAnimationFrame(every);
"""


def choose(somebody, theme):
    page = somebody.open("/account/appearance/")
    page.get_by_label(theme, exact=True).check()
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()


@pytest.mark.parametrize(
    ("theme", "system", "background"),
    [
        ("Light", "dark", LIGHT),
        ("Light", "light", LIGHT),
        ("Dark", "light", DARK),
        ("Dark", "dark", DARK),
        ("Same as system", "light", LIGHT),
        ("Same as system", "dark", DARK),
    ],
)
def test_the_theme_outlasts_the_session_and_nothing_flashes(chromium, demo, theme, system, background):
    with person(chromium, demo.base, color_scheme=system) as somebody:
        somebody.sign_in("mira")
        choose(somebody, theme)
        somebody.page.get_by_role("button", name="Sign out").click()
        somebody.page.wait_for_url("**/login/**")
        assert somebody.page.evaluate(BACKGROUND) == background
        somebody.page.add_init_script(WATCH)
        somebody.page.goto(f"{demo.base}/login/", wait_until="domcontentloaded")
        assert somebody.page.evaluate(BACKGROUND) == background
        somebody.sign_in("mira", PASSWORD)
        somebody.page.goto(f"{demo.base}/keys/", wait_until="load")
        somebody.page.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
        assert set(somebody.page.evaluate("window.__seen")) == {background}


def test_the_theme_is_chosen_without_scripts(chromium, demo):
    with person(chromium, demo.base, java_script_enabled=False) as somebody:
        somebody.sign_in("mira")
        choose(somebody, "Dark")
        assert 'data-theme="dark"' in somebody.page.content()
        assert somebody.page.get_by_label("Dark", exact=True).is_checked()
