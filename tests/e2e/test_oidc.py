"""Sign-in through a real OpenID Connect provider in the browser, and the sign-in there again for a sensitive action."""

import pytest

from tests.e2e.browser import WIDE
from tests.e2e.conftest import PATIENT
from tests.e2e.inspection import everything
from tests.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    MISSING,
    ROLES,
    is_installed,
    is_required,
    running_provider,
)
from tests.product import Product


@pytest.fixture(scope="module")
def base(tmp_path_factory, served):
    """A product of its own, because the provider is a setting."""
    if not is_installed():
        (pytest.fail if is_required() else pytest.skip)(MISSING)
    product = Product(tmp_path_factory.mktemp("oidc"), **PATIENT)
    base = f"http://127.0.0.1:{product.port}"
    with running_provider([f"{base}/login/oidc/callback"]) as provider:
        product.environment |= {
            "CC_OIDC_ISSUER": provider.issuer,
            "CC_OIDC_CLIENT_ID": CLIENT_ID,
            "CC_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "CC_OIDC_ROLES": ",".join(ROLES),
            "CC_OIDC_NAME": "Example ID",
        }
        with product:
            yield base


def sign_in_at_provider(page, name):
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()


def inspect(page, script):
    """Check 22 on the pages that only an installation with a provider has."""
    if script:
        page.wait_for_load_state()
        assert everything(page, thoroughly=True) == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
def test_a_person_signs_in_through_the_provider(chromium, base, script):
    """With the policy of our pages, and without complaints of the browser."""
    context = chromium.new_context(viewport=WIDE, java_script_enabled=script)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.goto(f"{base}/login/oidc/callback?code=stray&state=stray")
    inspect(page, script)
    page.goto(f"{base}/audit/exports/new")
    inspect(page, script)
    page.get_by_role("button", name="Sign in with Example ID").click()
    sign_in_at_provider(page, "olga")
    page.get_by_role("button", name="Continue").click()  # consent
    page.wait_for_url("**/reauth/**")
    inspect(page, script)
    page.get_by_role("button", name="Confirm with Example ID").click()
    sign_in_at_provider(page, "olga")
    page.wait_for_url("**/audit/exports/new")
    page.goto(f"{base}/account/")
    assert "Through the identity provider" in page.locator("main").inner_text()
    assert [text for text in complaints if base in text or "Content Security Policy" in text] == []
    context.close()
