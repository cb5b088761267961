"""36: the theme persists, and the first paint already has its colours."""

import pytest

from tests.e2e.browser import person

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
    ("theme", "in_light", "in_dark"),
    [("Light", LIGHT, LIGHT), ("Dark", DARK, DARK), ("Same as system", LIGHT, DARK)],
)
def test_the_theme_outlasts_the_session_and_nothing_flashes(
    chromium, base, served, session_of, theme, in_light, in_dark
):
    with person(chromium, base) as somebody:
        somebody.enter(served.sign_in("operator")["Cookie"].removeprefix("session="))
        choose(somebody, theme)
        somebody.page.get_by_role("button", name="Sign out").click()
        somebody.page.wait_for_url("**/login/**")
        somebody.page.add_init_script(WATCH)
        for system, background in (("light", in_light), ("dark", in_dark)):
            somebody.page.emulate_media(color_scheme=system)
            assert somebody.page.evaluate(BACKGROUND) == background
            load(somebody, "/login/", background)
        somebody.enter(session_of("operator"))
        for system, background in (("light", in_light), ("dark", in_dark)):
            somebody.page.emulate_media(color_scheme=system)
            load(somebody, "/keys/", background)


def load(somebody, path, background):
    """Load the page: each frame from the first has the background."""
    somebody.open(path)
    somebody.page.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
    assert set(somebody.page.evaluate("window.__seen")) == {background}


def test_the_theme_is_chosen_without_scripts(without_script):
    somebody = without_script
    choose(somebody, "Dark")
    assert 'data-theme="dark"' in somebody.page.content()
    assert somebody.page.get_by_label("Dark", exact=True).is_checked()
