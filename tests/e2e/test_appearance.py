"""36: the theme persists, and the first paint already has its colours. Also the header, and where the focus is."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import NARROW, follow, person
from tests.e2e.inspection import accessibility

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


@pytest.mark.parametrize("who", ["admin", "without_script"])
def test_a_phone_shows_the_whole_navigation_after_the_button_menu(request, who):
    somebody = request.getfixturevalue(who)
    page = somebody.open("/audit/")
    page.set_viewport_size(NARROW)
    assert page.locator(".top-bar").bounding_box()["height"] < 100
    assert page.get_by_role("button", name="Sign out").is_visible()
    assert page.get_by_label("Search everything").is_visible()
    links = page.get_by_role("navigation", name="Main").get_by_role("link")
    expect(links).to_have_count(0)
    page.get_by_role("button", name="Menu").press("Enter")
    expect(links).to_have_text(["Home", "Keys", "Policies", "Audit", "Jobs", "Usage", "Users", "System"])
    for link in links.all():
        page.keyboard.press("Tab")
        expect(link).to_be_focused()
        expect(link).to_be_in_viewport(ratio=1)
    assert (accessibility(page) if who == "admin" else []) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Menu")).to_be_focused()
    page.keyboard.press("Enter")
    follow(page, links.filter(has_text="Users"))
    assert page.url.endswith("/users/")


def test_the_focus_follows_shortcuts_and_returns_from_dialogs(admin):
    page = admin.open("/home/")
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url("**/keys/")
    expect(page.locator("#page")).to_be_focused()
    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.name") == "search"
    opener = page.locator("[data-new]").get_attribute("id")
    for meanwhile, focused in (
        ("", opener),
        ("const other = opener.cloneNode(true); opener.replaceWith(other); htmx.process(other)", opener),
        ("opener.remove()", "page"),
    ):
        page.locator("#page").focus()
        page.keyboard.press("n")
        page.get_by_role("dialog").wait_for()
        page.evaluate(f"const opener = document.querySelector('[data-new]'); {meanwhile}")
        page.keyboard.press("Escape")
        expect(page.locator(f"#{focused}")).to_be_focused()


# A busy machine may take longer than the eight seconds after which a message fades by itself.
SLOW_FADES = """
const later = setTimeout;
window.setTimeout = (run, milliseconds, ...rest) => later(run, milliseconds < 8000 ? milliseconds : 60000, ...rest);
"""


def test_a_dismissed_message_leaves_the_focus_on_the_page(admin):
    admin.page.add_init_script(SLOW_FADES)
    page = admin.open("/audit/saved/new?outcome=denied")
    page.get_by_label("Name").fill("Denied, to be dismissed")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/audit/?outcome=denied")  # loaded: the script handles the button
    page.get_by_role("button", name="Dismiss").press("Enter")
    page.get_by_text("Filter Denied, to be dismissed saved").wait_for(state="detached")
    expect(page.locator("#page")).to_be_focused()
