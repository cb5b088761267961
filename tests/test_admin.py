from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse
from msgspec.structs import replace

from accounts.models import BrowserSession, TotpDevice, User
from accounts.principals import Principal
from accounts.session_engine import BEGAN_AT, row_key
from accounts.users.services import editing
from audit.log.events import Event
from audit.models import AuditBundle, AuditLog, AuditReceipt, AuditRemoval, AuditTile, AuditTree
from audit.sequencing.running import checkpoint_now
from crypto_ops.actions import MESSAGE_ENCRYPTED
from kernel.clock import database_now
from keys.models import KeyGrant
from notifications.models import Delivery
from tests.accounts.test_totp import Authenticator, enrol
from tests.browsing import SWEPT_ROLES
from tests.endpoints import make_delivery, make_passkey, make_segment
from tests.factories import KeyFactory
from tests.log_entries import log_rows, record
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

READERS = ["admin", "operator", "auditor"]
MODELS = sorted((admin.model for admin in site._registry.values()), key=lambda model: model._meta.label)
SECRET_FIELDS = {
    "password",
    "wrapped",
    "row_mac",
    "mac",
    "link_mac",
    "actor",
    "lease_holder",
    "token_hash",
    "secret_hash",
    "key_hash",
    "response",
    "code_hash",
    "sentinel",
    "account",
    "last_step",
}


@pytest.fixture
def browser():
    return Client()


def sign_in(browser, username, password=PASSWORD):
    return browser.post("/login/", {"username": username, "password": password, "next": "/admin/"})


def is_inside(browser):
    return browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", READERS)
def test_a_reader_who_signs_in_to_the_console_enters_the_admin(browser, request, role):
    persona = request.getfixturevalue(role)
    response = sign_in(browser, persona.user.username)
    assert (response.status_code, response.headers["Location"]) == (303, "/admin/")
    assert is_inside(browser)


def test_a_stranger_is_sent_to_the_sign_in_of_the_console_and_back(browser, auditor):
    first = browser.get("/admin/keys/key/?q=a")
    assert (first.status_code, first.headers["Location"]) == (
        302,
        "/admin/login/?next=/admin/keys/key/%3Fq%3Da",
    )
    second = browser.get(first.headers["Location"])
    assert second.headers["Location"] == "/login/?next=%2Fadmin%2Fkeys%2Fkey%2F%3Fq%3Da"


def test_the_way_back_leads_nowhere_else(browser, auditor):
    location = browser.get("/admin/login/", {"next": "https://evil.example/"}).headers["Location"]
    assert location == "/login/?next=%2Fadmin%2F"


def test_the_admin_requires_the_second_factor_of_the_console(browser, auditor):
    authenticator, _ = enrol(auditor)
    response = sign_in(browser, auditor.user.username)
    assert response.headers["Location"] == "/login/code/?next=%2Fadmin%2F"
    assert not is_inside(browser)
    sent = {"code": authenticator.code(), "next": "/admin/"}
    assert browser.post("/login/code/", sent).headers["Location"] == "/admin/"
    assert is_inside(browser)


def test_a_developer_is_refused_and_that_is_on_record(browser, developer):
    sign_in(browser, developer.user.username)
    response = browser.get("/admin/", follow=True)
    assert response.status_code == 403
    assert b"Your role cannot open the admin site." in response.content
    entry = log_rows().filter(outcome="denied").latest("id")
    assert (entry.source, entry.user_id, entry.code) == ("admin", developer.user.id, "permission_denied")


def test_the_admin_has_no_form_of_its_own_to_sign_in_with(browser, auditor):
    sent = {"username": auditor.user.username, "password": PASSWORD}
    assert browser.post("/admin/login/", sent).status_code == 302
    assert not is_inside(browser)


def test_django_s_own_log_out_is_not_there_and_the_page_has_the_consoles(browser, auditor):
    sign_in(browser, auditor.user.username)
    assert browser.post("/admin/logout/").status_code == 404
    content = browser.get("/admin/").content.decode()
    assert 'action="/logout/"' in content
    assert 'href="/audit/"' in content
    browser.post("/logout/")
    assert not is_inside(browser)


@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_the_theme_is_the_consoles(browser, auditor, theme):
    sign_in(browser, auditor.user.username)
    browser.cookies["theme"] = theme
    content = browser.get("/admin/").content.decode()
    assert f"theme-{theme}" in content
    assert "theme.js" not in content  # it would store a separate choice


def test_a_session_ends_after_half_an_hour_without_use(browser, auditor):
    sign_in(browser, auditor.user.username)
    session = BrowserSession.objects.get(session_key=row_key(browser.session.session_key))
    left = session.expire_date - database_now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    BrowserSession.objects.update(expire_date=database_now() - timedelta(seconds=1))
    assert not is_inside(browser)


def test_each_request_renews_the_half_hour(browser, auditor):
    sign_in(browser, auditor.user.username)
    BrowserSession.objects.update(expire_date=database_now() + timedelta(minutes=1))
    assert is_inside(browser)
    left = (
        BrowserSession.objects.get(session_key=row_key(browser.session.session_key)).expire_date
        - database_now()
    )
    assert left > timedelta(minutes=29)


def test_a_session_ends_after_twelve_hours_however_busy_it_was(browser, auditor):
    sign_in(browser, auditor.user.username)
    begin(browser, timedelta(hours=11, minutes=59))
    assert is_inside(browser)
    begin(browser, timedelta(hours=12))
    assert not is_inside(browser)
    assert sign_in(browser, auditor.user.username).status_code == 303
    assert is_inside(browser)


def begin(browser, ago):
    session = browser.session
    session[BEGAN_AT] = (database_now() - ago).isoformat()
    session.save()


@pytest.mark.parametrize(
    "change",
    [
        ["update_user", "--sign-out"],
        ["update_user", "--disable"],
        ["update_user", "--role=operator"],
    ],
)
def test_signing_out_disabling_and_a_new_role_end_a_session_at_once(browser, auditor, change):
    sign_in(browser, auditor.user.username)
    assert is_inside(browser)
    call_command(change[0], auditor.user.username, *change[1:])
    assert not is_inside(browser)


def test_a_new_password_ends_a_session_at_once(browser, auditor):
    sign_in(browser, auditor.user.username)
    system = Principal.system("test", "command")
    editing.set_password(principal=system, user_id=auditor.user.id, password="another long password")
    assert not is_inside(browser)


def test_a_user_row_that_was_changed_by_hand_opens_no_page(auditor):
    browser = Client(raise_request_exception=False)
    sign_in(browser, auditor.user.username)
    User.objects.filter(pk=auditor.user.pk).update(role="admin")
    assert browser.get("/admin/").status_code >= 500


def test_a_bearer_token_opens_no_page_and_a_session_no_api(browser, auditor):
    token = {"Authorization": f"Bearer {auditor.api.token}"}
    assert browser.get("/admin/", headers=token).status_code == 302
    sign_in(browser, auditor.user.username)
    assert browser.get("/api/v1/keys").status_code == 401


def test_django_s_own_password_form_is_not_there(browser, auditor):
    with pytest.raises(NoReverseMatch):
        reverse("admin:password_change")
    sign_in(browser, auditor.user.username)
    assert browser.get("/admin/password_change/").status_code == 404


def test_every_table_of_the_product_can_be_looked_at():
    ours = {"accounts", "audit", "keys", "notifications", "ciphercanary"}
    tables = {model for model in apps.get_models() if model._meta.app_label in ours}
    # The key of a session's row is the cookie, so it is shown nowhere. A removal is never committed.
    assert tables - {BrowserSession, AuditRemoval} <= set(MODELS)


@pytest.fixture
def everything(admin, auditor):
    """Create at least one row of each table."""
    key = KeyFactory(name="payments", tags=["pci"])
    use = Event(action=MESSAGE_ENCRYPTED, object_type="key", object_id=str(key.id), size=64)
    record(use, replace(admin.principal.actor, auth_method="service_token", token_id="t"))
    checkpoint = checkpoint_now()
    AuditReceipt.objects.create(
        size=checkpoint.size, anchor="file", receipt="offset 0", anchored_at=database_now()
    )
    enrol(auditor)
    make_passkey(auditor.user)
    make_delivery()
    make_segment()


def pages(model):
    opts = model._meta
    listing = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    row = model._default_manager.first()
    return listing, None if row is None else reverse(
        f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]
    )


@pytest.mark.parametrize("role", sorted({"admin", "auditor"} & set(SWEPT_ROLES)))
def test_admins_and_auditors_see_every_list_and_every_row_and_no_secret(
    browser, request, auditor, everything, role
):
    browser.force_login(request.getfixturevalue(role).user)
    device = TotpDevice.objects.get()
    marks = [auditor.user.password, bytes(device.wrapped).hex(), bytes(device.wrapped).decode("latin-1")]
    request_of_page = browser.get("/admin/").wsgi_request
    for model in MODELS:
        if model._meta.app_label == "auth":
            continue
        model_admin = site.get_model_admin(model)
        shown = {*model_admin.get_fields(request_of_page), *model_admin.get_list_display(request_of_page)}
        assert not {str(name) for name in shown} & SECRET_FIELDS, model
        for page in filter(None, pages(model)):
            response = browser.get(page)
            assert response.status_code == 200, page
            text = response.content.decode()
            assert not [mark for mark in ("_save", "/add/", "deletelink", *marks) if mark in text], page


def test_an_operator_sees_what_they_may_read_and_no_more(browser, operator, everything):
    browser.force_login(operator.user)
    assert browser.get(pages(KeyGrant)[0]).status_code == 403  # they name users
    models = [model for model in MODELS if model is not KeyGrant]
    seen = {model._meta.app_label: browser.get(pages(model)[0]).status_code for model in models}
    open_apps = dict.fromkeys(("audit", "keys", "crypto_ops", "notifications", "ciphercanary"), 200)
    assert seen == open_apps | {"accounts": 403, "auth": 403}


@pytest.mark.parametrize(
    "role", [pytest.param(role, marks=[pytest.mark.sweep] * (role != "admin")) for role in SWEPT_ROLES]
)
def test_no_one_adds_changes_or_deletes(browser, request, everything, role):
    browser.force_login(request.getfixturevalue(role).user)
    log_rows()
    before = rows()
    for model in MODELS:
        listing, row = pages(model)
        forms = [f"{listing}add/"] + ([row, row.replace("/change/", "/delete/")] if row else [])
        for form in forms:
            assert browser.post(form, {"post": "yes", "name": "x"}).status_code in {302, 403}, form
        action = {
            "action": "delete_selected",
            "_selected_action": str((before[model] or [["1"]])[0][0]),
            "post": "yes",
        }
        assert browser.post(listing, action).status_code in {200, 302, 403}
    after = rows()
    after[AuditLog] = after[AuditLog][: len(before[AuditLog])]  # the refusals are new entries
    for model in (AuditBundle, AuditTile, AuditTree):  # a list sequences them
        after[model] = before[model]
    assert after == before


def rows():
    return {model: list(model._default_manager.order_by("pk").values_list()) for model in MODELS}


def test_a_refused_change_is_on_record_under_its_user(browser, auditor, everything):
    browser.force_login(auditor.user)
    browser.post(reverse("admin:keys_key_add"), {"name": "x"})
    entry = log_rows().filter(outcome="denied").latest("id")
    assert (entry.source, entry.user_id, entry.code) == ("admin", auditor.user.id, "permission_denied")


def test_times_have_seconds_and_show_their_zone(browser, auditor):
    browser.force_login(auditor.user)
    assert f"{auditor.user.created_at:%Y-%m-%d %H:%M:%S}Z" in browser.get(pages(User)[0]).content.decode()


def test_the_authenticator_of_someone_is_shown_as_a_fact_only(browser, admin, auditor):
    secret = auditor.api.post("/auth/totp/enrol").json["secret"]
    auditor.api.post("/auth/totp/confirm", {"code": Authenticator(secret).code()})
    browser.force_login(admin.user)
    text = browser.get(pages(User)[0]).content.decode()
    assert "icon-yes" in text
    assert secret not in text


def test_pages_carry_the_strict_policy_and_are_kept_by_no_one(browser, auditor):
    browser.force_login(auditor.user)
    response = browser.get("/admin/")
    assert response.status_code == 200
    assert (
        response.headers["Content-Security-Policy"]
        == browser.get("/home/").headers["Content-Security-Policy"]
    )
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]


def test_the_referrer_policy_lets_browsers_name_the_origin_of_a_form(browser, auditor):
    # Under "no-referrer" a browser sends "Origin: null" with each form, and no sign-in would ever succeed.
    assert browser.get("/login/").headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "query",
    [
        "accounts/user/?password__regex=^a",
        "accounts/user/?username=aude&password__startswith=argon2",
        "accounts/refreshtoken/?token_hash__startswith=a",
        "accounts/recoverycode/?code_hash__regex=a",
        "keys/keyversion/?wrapped__isnull=False",
        "keys/key/?name__regex=(a%2B)%2B!",
        "audit/auditlog/?actor_name__regex=a",
        "accounts/user/?role__contains=a",
    ],
)
def test_a_lookup_that_no_filter_offers_is_refused(browser, auditor, query):
    """Django would allow any lookup on any local field: a hash could be read character by character."""
    browser.force_login(auditor.user)
    assert browser.get(f"/admin/{query}").status_code == 400


def test_the_filters_that_are_offered_work(browser, auditor, everything):
    browser.force_login(auditor.user)
    for query in ("accounts/user/?role__exact=auditor", "audit/auditlog/?outcome=ok"):
        assert browser.get(f"/admin/{query}").status_code == 200


def test_a_list_reads_the_foreign_keys_that_it_shows_with_its_rows():
    assert set(site._registry[KeyGrant].get_list_select_related(None)) == {"key", "created_by"}
    assert set(site._registry[Delivery].get_list_select_related(None)) == {"notification", "webhook"}
