import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts import actions, services
from accounts.models import BrowserSession as Session
from accounts.models import TotpDevice, User
from accounts.principals import Principal
from accounts.session_engine import BEGAN_AT
from audit.events import Event, Source
from audit.models import AuditLog, AuditPending, AuditReceipt
from audit.refusals import flush
from audit.sequencing.running import checkpoint_now
from audit.services import record
from ciphercanary.clock import database_now
from crypto_ops.actions import MESSAGE_ENCRYPTED
from keys.services import create_key
from tests.accounts.test_totp import Authenticator, enrol
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db

READERS = ["admin", "operator", "auditor"]
MODELS = sorted((admin.model for admin in site._registry.values()), key=lambda model: model._meta.label)
SECRET_FIELDS = {
    "password",
    "wrapped",
    "row_mac",
    "token_hash",
    "code_hash",
    "sentinel",
    "account",
    "last_step",
}


@pytest.fixture
def browser():
    return Client()


def log_in(browser, username, password=PASSWORD, **more):
    return browser.post("/admin/login/?next=/admin/", {"username": username, "password": password, **more})


def errors(response):
    """What the form says, field by field; an empty name is the form as a whole."""
    assert response.context is not None, response.content
    return {
        name.replace("__all__", ""): list(found) for name, found in response.context["form"].errors.items()
    }


def is_inside(browser):
    return browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", READERS)
def test_who_may_read_logs_in(browser, request, role):
    persona = request.getfixturevalue(role)
    response = log_in(browser, persona.user.username)
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert is_inside(browser)


def test_a_developer_does_not_even_with_the_right_password(browser, developer):
    response = log_in(browser, developer.user.username)
    assert response.status_code == 403
    assert "role" in errors(response)[""][0]
    assert not is_inside(browser)
    assert not AuditLog.objects.filter(
        action=actions.SESSION_OPENED, source=Source.ADMIN, outcome="ok"
    ).exists()


def test_developers_do_not_lock_themselves_out_of_the_api_at_this_door(browser, developer):
    assert {log_in(browser, developer.user.username).status_code for _ in range(7)} == {403}


def test_a_wrong_password_and_an_unknown_name_answer_alike_and_are_on_record(browser, auditor):
    wrong = log_in(browser, auditor.user.username, "not the password")
    unknown = log_in(browser, "nobody")
    assert wrong.status_code == unknown.status_code == 401
    assert errors(wrong) == errors(unknown)
    assert b"not the password" not in wrong.content
    entry = AuditLog.objects.filter(action=actions.SESSION_OPENED, outcome="denied").first()
    assert entry is not None
    assert (entry.source, entry.code) == ("admin", "authentication_failed")


def test_a_name_that_no_account_has_is_not_recorded_for_it_may_be_a_password(browser, db):
    log_in(browser, "hunter2-hunter2")
    flush()
    assert "hunter2" not in json.dumps(list(AuditLog.objects.values()), default=str)


def test_five_failures_close_the_account_here_and_at_the_api_alike(browser, auditor):
    for _ in range(5):
        assert log_in(browser, auditor.user.username, "not the password").status_code == 401
    response = log_in(browser, auditor.user.username)
    assert response.status_code == 429
    assert "Wait" in errors(response)[""][0]
    body = {"username": auditor.user.username, "password": PASSWORD}
    assert auditor.api.post("/auth/login", body).code == "throttled"


def test_the_address_is_throttled_here_and_at_the_api_together(browser, auditor, settings):
    settings.CC_THROTTLE_AUTH = "2/hour"
    assert log_in(browser, "nobody").status_code == 401
    assert log_in(browser, "nobody").status_code == 401
    assert log_in(browser, auditor.user.username).status_code == 429
    assert auditor.api.post("/auth/login", {"username": "nobody", "password": "x"}).code == "throttled"


def test_a_second_factor_is_asked_for_and_accepted(browser, auditor):
    authenticator, recovery_codes = enrol(auditor)
    missing = log_in(browser, auditor.user.username)
    assert (missing.status_code, list(errors(missing))) == (401, ["totp_code"])
    wrong = log_in(browser, auditor.user.username, totp_code=authenticator.wrong_code())
    assert (wrong.status_code, list(errors(wrong))) == (401, [""])
    assert not is_inside(browser)
    assert log_in(browser, auditor.user.username, totp_code=authenticator.code()).status_code == 302
    assert is_inside(browser)
    entry = AuditLog.objects.get(action=actions.SESSION_OPENED, source="admin", outcome="ok")
    assert (entry.user_id, entry.auth_method) == (auditor.user.id, "password+totp")
    assert log_in(Client(), auditor.user.username, totp_code=recovery_codes[0]).status_code == 302


def test_an_empty_form_is_an_error_and_no_attempt(browser, auditor):
    response = browser.post("/admin/login/", {})
    assert set(errors(response)) == {"username", "password"}
    assert not AuditLog.objects.filter(source="admin").exists()


def test_the_form_asks_for_its_csrf_token(auditor):
    response = log_in(Client(enforce_csrf_checks=True), auditor.user.username)
    assert response.status_code == 403


def test_the_way_back_leads_nowhere_else(browser, auditor):
    fields = {"username": auditor.user.username, "password": PASSWORD, "next": "https://evil.example/"}
    response = browser.post("/admin/login/", fields)
    assert not response.headers["Location"].startswith("https://evil.example")


def test_a_log_out_ends_the_session_and_is_on_record(browser, auditor):
    log_in(browser, auditor.user.username)
    key = browser.session.session_key
    assert browser.get("/admin/logout/").status_code == 405
    assert is_inside(browser)
    response = browser.post("/admin/logout/")
    assert response.status_code == 200
    assert not is_inside(browser)
    assert not Session.objects.filter(session_key=key).exists()
    entry = AuditLog.objects.get(action=actions.SESSION_CLOSED)
    assert (entry.source, entry.user_id) == ("admin", auditor.user.id)


def test_each_log_in_has_a_new_session_id_the_same_users_too(browser, auditor):
    browser.get("/admin/login/")
    keys = []
    for _ in range(2):
        log_in(browser, auditor.user.username)
        keys.append(browser.session.session_key)
    assert keys[0] != keys[1]
    assert not Session.objects.filter(session_key=keys[0]).exists()


def test_a_session_id_that_a_stranger_planted_is_not_taken_over(browser, auditor):
    browser.cookies["session"] = planted = "a" * 32
    log_in(browser, auditor.user.username)
    assert browser.session.session_key != planted


def test_a_session_ends_after_half_an_hour_without_use(browser, auditor):
    log_in(browser, auditor.user.username)
    session = Session.objects.get(session_key=browser.session.session_key)
    left = session.expire_date - database_now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    Session.objects.update(expire_date=database_now() - timedelta(seconds=1))
    assert not is_inside(browser)


def test_each_request_renews_the_half_hour(browser, auditor):
    log_in(browser, auditor.user.username)
    Session.objects.update(expire_date=database_now() + timedelta(minutes=1))
    assert is_inside(browser)
    left = Session.objects.get(session_key=browser.session.session_key).expire_date - database_now()
    assert left > timedelta(minutes=29)


def test_a_session_ends_after_twelve_hours_however_busy_it_was(browser, auditor):
    log_in(browser, auditor.user.username)
    begin(browser, timedelta(hours=11, minutes=59))
    assert is_inside(browser)
    begin(browser, timedelta(hours=12))
    assert not is_inside(browser)
    begin_again = log_in(browser, auditor.user.username)
    assert begin_again.status_code == 302
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
    log_in(browser, auditor.user.username)
    assert is_inside(browser)
    call_command(change[0], auditor.user.username, *change[1:])
    assert not is_inside(browser)


def test_a_new_password_ends_a_session_at_once(browser, auditor):
    log_in(browser, auditor.user.username)
    system = Principal.system("test", "command")
    services.set_password(principal=system, user_id=auditor.user.id, password="another long password")
    assert not is_inside(browser)


def test_a_user_row_that_was_changed_by_hand_opens_no_page(auditor):
    browser = Client(raise_request_exception=False)
    log_in(browser, auditor.user.username)
    User.objects.filter(pk=auditor.user.pk).update(role="admin")
    assert browser.get("/admin/").status_code >= 500


def test_a_bearer_token_opens_no_page_and_a_session_no_api(browser, auditor):
    token = {"Authorization": f"Bearer {auditor.api.token}"}
    assert browser.get("/admin/", headers=token).status_code == 302
    log_in(browser, auditor.user.username)
    assert browser.get("/api/v1/keys").status_code == 401


def test_django_s_own_password_form_is_not_there(browser, auditor):
    with pytest.raises(NoReverseMatch):
        reverse("admin:password_change")
    log_in(browser, auditor.user.username)
    assert browser.get("/admin/password_change/").status_code == 404


def test_every_table_of_the_product_can_be_looked_at():
    ours = {"accounts", "audit", "keys", "ciphercanary"}
    tables = {model for model in apps.get_models() if model._meta.app_label in ours}
    assert tables - {Session} <= set(MODELS)  # the key of a session's row is the cookie: it is shown nowhere


@pytest.fixture
def everything(admin, auditor):
    """A row of each table at least."""
    key = create_key(principal=admin.principal, name="payments", algorithm="aes-256", tags=["pci"])
    use = Event(action=MESSAGE_ENCRYPTED, object_type="key", object_id=str(key.id), size=64)
    record(use, admin.principal.actor)
    checkpoint = checkpoint_now()
    AuditReceipt.objects.create(
        size=checkpoint.size, anchor="file", receipt="offset 0", anchored_at=database_now()
    )
    enrol(auditor)


def pages(model):
    opts = model._meta
    listing = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    row = model._default_manager.first()
    return listing, None if row is None else reverse(
        f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk]
    )


@pytest.mark.parametrize("role", ["admin", "auditor"])
def test_admins_and_auditors_see_every_list_and_every_row(browser, request, everything, role):
    browser.force_login(request.getfixturevalue(role).user)
    for model in MODELS:
        if model._meta.app_label == "auth":
            continue
        for page in filter(None, pages(model)):
            response = browser.get(page)
            assert response.status_code == 200, page
            assert b"_save" not in response.content
            assert b"/add/" not in response.content
            assert b"deletelink" not in response.content


def test_an_operator_sees_what_he_may_read_and_no_more(browser, operator, everything):
    browser.force_login(operator.user)
    seen = {model._meta.app_label: browser.get(pages(model)[0]).status_code for model in MODELS}
    assert seen == {"audit": 200, "keys": 200, "ciphercanary": 200, "accounts": 403, "auth": 403}


@pytest.mark.parametrize("role", [*READERS, "developer"])
def test_nobody_adds_changes_or_deletes(browser, request, everything, role):
    browser.force_login(request.getfixturevalue(role).user)
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
    for model in (AuditLog, AuditPending):  # the refusals are new entries
        after[model] = after[model][: len(before[model])]
    assert after == before


def rows():
    return {model: list(model._default_manager.order_by("pk").values_list()) for model in MODELS}


def test_a_refused_change_is_on_record_under_its_user(browser, auditor, everything):
    browser.force_login(auditor.user)
    browser.post(reverse("admin:keys_key_add"), {"name": "x"})
    entry = AuditLog.objects.filter(outcome="denied").latest("id")
    assert (entry.source, entry.user_id, entry.code) == ("admin", auditor.user.id, "permission_denied")


def test_no_page_shows_a_secret_or_its_hash(browser, admin, auditor, everything):
    browser.force_login(admin.user)
    device = TotpDevice.objects.get()
    marks = [auditor.user.password, bytes(device.wrapped).hex(), bytes(device.wrapped).decode("latin-1")]
    for model in MODELS:
        if model._meta.app_label == "auth":
            continue
        model_admin = site.get_model_admin(model)
        request = browser.get(pages(model)[0]).wsgi_request
        shown = {*model_admin.get_fields(request), *model_admin.get_list_display(request)}
        assert not {str(name) for name in shown} & SECRET_FIELDS, model
        for page in filter(None, pages(model)):
            text = browser.get(page).content.decode()
            assert not [mark for mark in marks if mark in text], page


def test_times_have_seconds_and_say_their_zone(browser, auditor):
    browser.force_login(auditor.user)
    assert f"{auditor.user.created_at:%Y-%m-%d %H:%M:%S}Z" in browser.get(pages(User)[0]).content.decode()


def test_the_authenticator_of_somebody_is_shown_as_a_fact_only(browser, admin, auditor):
    secret = auditor.api.post("/auth/totp/enrol").json["secret"]
    auditor.api.post("/auth/totp/confirm", {"code": Authenticator(secret).code()})
    browser.force_login(admin.user)
    text = browser.get(pages(User)[0]).content.decode()
    assert "icon-yes" in text
    assert secret not in text


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/"])
def test_pages_carry_the_strict_policy_and_are_kept_by_nobody(browser, auditor, path):
    if path == "/admin/":
        browser.force_login(auditor.user)
    response = browser.get(path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]


def test_browsers_are_told_a_referrer_policy_under_which_they_name_the_origin_of_a_form(browser, db):
    # Under "no-referrer" a browser sends "Origin: null" with each form, and no log-in would ever succeed.
    assert browser.get("/admin/login/").headers["Referrer-Policy"] == "same-origin"


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
    ],
)
def test_a_lookup_that_no_filter_offers_is_refused(browser, auditor, query):
    """Django would answer any lookup on any local field: a hash could be read character by character."""
    browser.force_login(auditor.user)
    assert browser.get(f"/admin/{query}").status_code == 400


def test_the_filters_and_dates_that_are_offered_work(browser, auditor, everything):
    browser.force_login(auditor.user)
    for query in ("accounts/user/?role__exact=auditor", "audit/auditlog/?outcome=ok&timestamp__year=2026"):
        assert browser.get(f"/admin/{query}").status_code == 200
