import pytest
from django.contrib import admin as site
from django.test import RequestFactory

from keys.models import Key, KeyRotation, KeyVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of(admin):
    request = RequestFactory().get("/admin/")
    request.user = admin.user
    return request


@pytest.mark.parametrize("model", [Key, KeyVersion, KeyRotation])
def test_an_admin_can_only_view_keys_in_the_admin_site(model, request_of):
    pages = site.site.get_model_admin(model)
    assert pages.has_view_permission(request_of)
    assert not pages.has_add_permission(request_of)
    assert not pages.has_change_permission(request_of)
    assert not pages.has_delete_permission(request_of)
    assert pages.get_actions(request_of) == {}


@pytest.mark.parametrize("model", [Key, KeyVersion, KeyRotation])
def test_no_page_shows_wrapped_bytes_or_macs(model, request_of):
    pages = site.site.get_model_admin(model)
    shown = set(pages.get_fields(request_of)) | set(pages.list_display)
    assert not shown & {"wrapped", "row_mac", "searched_text"}


def test_the_list_shows_what_the_clock_says(key):
    assert site.site.get_model_admin(Key).status(key) == "active"
