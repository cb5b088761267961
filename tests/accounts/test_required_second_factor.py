"""CC_REQUIRE_SECOND_FACTOR: users of these roles set up an authenticator before they do anything else."""

import re
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.models.users import FEDERATED
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ROLES
from accounts.second_factors.services import totp
from accounts.sign_in import services as sign_in
from kernel.environment.variables import Environment
from tests.accounts.test_totp import Authenticator, enrol
from tests.browsing import signed_in
from tests.endpoints import ENDPOINTS, PUBLIC, all_routes, make_passkey, missing_target, path_of
from tests.factories import TokenFactory
from tests.pages import PAGES, STRANGERS, page_routes
from tests.personas import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db

SYSTEM = Principal.system("test", "command")
ORIGIN = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test")
# Open until the factor is set up: the set-up itself, and what a sign-in needs.
API_OPEN = {("totp", "GET"), ("enrol-totp", "POST"), ("confirm-totp", "POST")}
PAGES_OPEN = {"mfa", "mfa-setup", "reauth", "session-extend"}


@pytest.fixture(autouse=True)
def required(settings):
    settings.CC_REQUIRE_SECOND_FACTOR = {"admin", "developer"}


def test_the_api_allows_only_the_set_up_before_enrolment(developer):
    target = missing_target()
    for route in all_routes():
        for method, endpoint in ENDPOINTS[route.name].items():
            if endpoint.permission == PUBLIC or (route.name, method) in API_OPEN:
                continue
            response = developer.api.send(method, path_of(route, target), None if method == "GET" else {})
            assert (response.status, response.code) == (403, "second_factor_required"), (route.name, method)


def test_every_page_redirects_to_the_set_up_before_enrolment(admin):
    browser = signed_in(admin)
    parts = {"name": "a", "version": 1, "log_id": 1, "code": "c" * 43, "link_code": "c" * 43}
    for route in page_routes():
        page = PAGES[route.name]
        for method, roles in (("get", page.get), ("post", page.post)):
            if roles and roles != STRANGERS and route.name not in PAGES_OPEN:
                ids = dict.fromkeys(re.findall(r"{(\w+)}", route.path), admin.user.id)
                response = getattr(browser, method)(route.path.format(**ids | parts))
                assert (response.status_code, response["Location"]) == (302, "/account/mfa/"), route.name
    for path in ("/admin/", "/admin/accounts/user/"):
        assert browser.get(path, follow=True).redirect_chain[-1][0] == "/account/mfa/"
    page = browser.get("/account/mfa/").content.decode()
    assert "Your role requires a second factor" in page
    assert 'href="/keys/"' not in page


def test_htmx_gets_the_whole_page_instead(admin):
    response = signed_in(admin).get("/keys/", headers={"HX-Request": "true", "HX-Target": "key-results"})
    assert (response.status_code, response["HX-Redirect"]) == (200, "/account/mfa/")


def test_setting_it_up_over_the_api_gives_the_rights_of_the_role(developer):
    signed_in_as = developer.api.post("/auth/login", {"username": "dora", "password": PASSWORD}).json["user"]
    assert signed_in_as["permissions"] == []
    enrol(developer)
    assert developer.api.get("/auth/me").json["permissions"] == sorted(ROLES["developer"].permissions)
    assert developer.api.post("/api/v1/random", {"bytes": 16}).status == 200


def test_setting_it_up_in_the_browser_gives_the_rights_of_the_role(admin):
    browser = signed_in(admin)
    assert browser.post("/account/mfa/")["Location"] == "/account/mfa/setup/"
    secret = "".join(browser.get("/account/mfa/setup/").context["groups"])
    codes = browser.post("/account/mfa/setup/", {"code": Authenticator(secret).code()})
    assert codes.status_code == 200
    assert browser.get("/keys/").status_code == 200
    assert browser.get("/admin/").status_code == 200


def test_setting_it_up_ends_the_sessions_that_a_password_alone_opened(developer):
    other = sign_in.sign_in(username="dora", password=PASSWORD, origin=ORIGIN)
    browser = signed_in(developer)
    enrol(developer)
    assert ApiClient(other.access_token).get("/auth/me").status == 401
    assert browser.get("/account/mfa/")["Location"].startswith("/login/")
    assert developer.api.get("/auth/me").status == 200


def test_a_passkey_alone_is_not_enough_because_the_password_alone_still_signs_in(developer):
    make_passkey(developer.user)
    assert developer.api.get("/auth/me").code == "second_factor_required"


def test_a_reset_or_a_removal_requires_it_again(developer):
    _, codes = enrol(developer)
    assert developer.api.delete("/auth/totp", {"code": codes[0]}).status == 204
    assert developer.api.get("/auth/me").code == "second_factor_required"
    enrol(developer)
    totp.reset_totp(principal=SYSTEM, user_id=developer.user.id)
    assert developer.api.post("/api/v1/random", {"bytes": 16}).code == "second_factor_required"


def test_a_service_token_of_such_a_user_has_no_permission_either(developer):
    enrol(developer)
    principal = replace(developer.principal, permissions=ROLES["developer"].permissions)
    client = ApiClient(TokenFactory(principal=principal, scopes=["crypto.random"]).text)
    assert client.post("/api/v1/random", {"bytes": 16}).status == 200
    totp.reset_totp(principal=SYSTEM, user_id=developer.user.id)
    assert client.post("/api/v1/random", {"bytes": 16}).code == "second_factor_required"


def test_the_identity_provider_is_responsible_for_the_factors_of_its_users(developer):
    assert developer.user.must_enrol
    developer.user.password = FEDERATED
    assert not developer.user.must_enrol


def test_other_roles_need_none(auditor, operator):
    for persona in (auditor, operator):
        assert persona.api.get("/api/v1/keys").status == 200


def test_an_unknown_role_in_the_setting_is_named(monkeypatch):
    monkeypatch.setenv("CC_REQUIRE_SECOND_FACTOR", "admin, auditor")
    assert Environment().choices("CC_REQUIRE_SECOND_FACTOR", ROLES) == {"admin", "auditor"}
    monkeypatch.setenv("CC_REQUIRE_SECOND_FACTOR", "admin,root")
    with pytest.raises(ImproperlyConfigured, match=r"^CC_REQUIRE_SECOND_FACTOR must be a list of admin, aud"):
        Environment().choices("CC_REQUIRE_SECOND_FACTOR", ROLES)
