"""Check 30 for Django's admin, whose templates are not ours: the same rules, under the same policy."""

from tests.e2e.browser import person
from tests.e2e.inspection import accessibility, contrast

PAGES = (
    "/admin/",
    "/admin/keys/key/",
    "/admin/audit/auditlog/",
    "/admin/accounts/user/",
    "/admin/audit/auditexport/",
)


def test_the_admin_is_sound(chromium, demo):
    with person(chromium, demo.base, color_scheme="light") as somebody:
        somebody.sign_in("mira")
        page = somebody.page
        faults = []
        for path in PAGES:
            somebody.open(path)
            faults += faults_of(page)
        page.locator("#result_list tbody a").first.click()
        page.wait_for_url("**/change/")
        faults += faults_of(page)
        assert not faults, "\n".join(faults)
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])


def faults_of(page):
    """The faults in the light theme, and those of contrast in the dark one."""
    found = accessibility(page)
    page.emulate_media(color_scheme="dark")
    found += contrast(page)
    page.emulate_media(color_scheme="light")
    return [f"{page.url} {fault}" for fault in found]
