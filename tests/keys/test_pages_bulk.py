import pytest
from django.urls import reverse

from accounts.roles import ROLES
from keys.models import Key, KeyRotation, KeyRotationJob
from keys.pages.forms import read_chosen
from keys.rotation.services import rotating
from keys.rotation.services.chosen import FEW
from keys.rotation.services.succession import PERMISSIONS
from keys.states import services as states
from tests.browsing import plain, signed_in
from tests.keys.steps import versions_of

pytestmark = pytest.mark.django_db
URL, TAG_URL = "/keys/bulk", "/keys/bulk-tag"


def chosen(*keys):
    return " ".join(f"{key.id}:{key.primary_version}" for key in keys)


def choose(browser, *keys, url=URL):
    return browser.post(url, {"key": [str(key.id) for key in keys]})


@pytest.mark.parametrize(("role", "tags"), [("admin", True), ("operator", True), ("auditor", False)])
def test_the_list_has_boxes_for_those_who_may_rotate(request, new_key, role, tags):
    key = new_key()
    content = signed_in(request.getfixturevalue(role)).get("/keys/").content.decode()
    assert (f'value="{key.id}" form="bulk"' in content) is (role != "auditor")
    assert (f'formaction="{TAG_URL}"' in content) is (role == "admin")


def test_the_first_page_shows_what_will_happen_and_changes_nothing(operator, admin, new_key):
    first, disabled = new_key(name="a-key"), new_key(name="b-key")
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    ids = ["no-id", str(first.id), str(disabled.id)]
    text = plain(signed_in(operator).post(URL, {"key": ids}))
    assert "Rotate 1 key?" in text
    assert "1 key is not active and will be skipped." in text
    assert "Will rotate to version 2" in text
    assert "Skipped: disabled" in text
    assert versions_of(first) == [1]


def test_a_few_keys_are_rotated_at_once(operator, admin, new_key):
    first, second, disabled = new_key(name="a-key"), new_key(name="b-key"), new_key()
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    rotating.rotate_key(principal=admin.principal, key_id=second.id, reason="meanwhile")
    browser = signed_in(operator)
    text = plain(browser.post(URL, {"chosen": chosen(first, second, disabled), "reason": "quarterly"}))
    for words in (
        "1 key rotated.",
        "2 keys did not change.",
        "b-keyNot changed. The primary version is 2, not 1.",
        f"{disabled.name}Not changed. It is not active.",
        "a-keyChanged",
    ):
        assert words in text
    assert versions_of(first, second, disabled) == [2, 2, 1]
    assert KeyRotation.objects.filter(rotation_reason="quarterly").count() == 1
    assert not KeyRotationJob.objects.exists()


def test_many_keys_are_a_job(operator, new_key):
    keys = [new_key() for _ in range(FEW + 1)]
    browser = signed_in(operator)
    assert "The rotation runs as a job." in plain(choose(browser, *keys))
    response = browser.post(URL, {"chosen": chosen(*keys), "reason": "quarterly"})
    job = KeyRotationJob.objects.get()
    assert response["Location"] == reverse("rotation-job", args=[job.id]) == f"/jobs/rotations/{job.id}/"
    assert job.total == len(keys)
    text = plain(browser.get(response["Location"]))
    for words in ("Rotation of 11 keys queued.", "0 of 11 keys", "Chosen keys", "quarterly", "Cancel job"):
        assert words in text
    assert "Key rotation" in plain(browser.get("/jobs/"))
    browser.post(f"/jobs/rotations/{job.id}/cancel")
    text = plain(browser.get(f"/jobs/rotations/{job.id}/"))
    assert "Not rotated" in text
    assert set(versions_of(*keys)) == {1}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "No keys are selected"),
        ({"key": ["nonsense"]}, "No keys are selected"),
        ({"chosen": "nonsense", "reason": "test"}, "No keys are selected"),
        ({"chosen": "", "reason": "test"}, "No keys are selected"),
    ],
)
def test_an_empty_selection_is_explained(operator, key, sent, words):
    assert words in plain(signed_in(operator).post(URL, sent))
    assert words in plain(signed_in(operator).get(URL))


@pytest.mark.parametrize(
    "version", ["0", "2147483648", "1" * 30, "00000000000000000001", "\N{ARABIC-INDIC DIGIT ONE}", "-1", ""]
)
def test_a_version_that_no_key_can_have_is_not_read(key, version):
    assert read_chosen(f"{key.id}:{version}") == {}
    assert read_chosen(f"{key.id}:2147483647") == {key.id: 2**31 - 1}


def test_a_reason_is_required(operator, key):
    response = signed_in(operator).post(URL, {"chosen": chosen(key), "reason": ""})
    assert response.status_code == 422
    assert versions_of(key) == [1]


def test_more_keys_than_allowed_are_refused(operator, key, monkeypatch):
    monkeypatch.setattr("keys.reading.services.MAX_CHOSEN", 0)
    assert choose(signed_in(operator), key).status_code == 400


def test_tags_are_added_and_removed(admin, new_key, events_of):
    tagged, other = new_key(name="a-key", tags=["pci", "eu"]), new_key(name="b-key", tags=["eu"])
    browser = signed_in(admin)
    assert "Tag 2 keys" in plain(choose(browser, tagged, other, url=TAG_URL))
    order = {"chosen": chosen(tagged, other), "change": "add", "tag": "pci"}
    text = plain(browser.post(TAG_URL, order))
    assert "Tag pci added to 1 key." in text
    assert "a-keyNot changed. It already was as requested." in text
    assert Key.objects.get(pk=other.pk).check_mac().tags == ["eu", "pci"]
    assert [event.action for event in events_of(other)] == ["keys.key.created", "keys.key.updated"]
    removing = order | {"change": "remove", "tag": "eu"}
    assert browser.post(TAG_URL, removing)["Location"] == "/keys/"
    assert "Tag eu removed from 2 keys." in plain(browser.get("/keys/"))
    assert [Key.objects.get(pk=key.pk).tags for key in (tagged, other)] == [["pci"], ["pci"]]


def test_a_tag_that_is_refused_is_shown_at_its_field(admin, new_key):
    full = new_key(name="a-key", tags=[f"tag-{number}" for number in range(20)])
    browser = signed_in(admin)
    refused = browser.post(TAG_URL, {"chosen": chosen(full), "change": "add", "tag": "one-more"})
    assert "a-keyNot changed. " in plain(refused)
    response = browser.post(TAG_URL, {"chosen": chosen(full), "change": "add", "tag": "zero\u200bwidth"})
    assert response.status_code == 422


def test_an_operator_does_not_tag(operator, key):
    assert choose(signed_in(operator), key, url=TAG_URL).status_code == 403


@pytest.mark.parametrize("missing", [None, *PERMISSIONS])
def test_the_overview_offers_a_replacement_to_those_who_may_do_it(admin, key, monkeypatch, missing):
    without = frozenset({missing, "keys.update"})
    monkeypatch.setitem(ROLES, "admin", ROLES["admin"].without(frozenset(without)))
    page = plain(signed_in(admin).get(f"/keys/{key.name}/"))
    assert ("Replace with another key" in page) is (missing is None)


def test_the_page_replaces_a_key(admin, new_key):
    key = new_key(name="old-key")
    browser = signed_in(admin)
    assert "Replace old-key?" in plain(browser.get("/keys/old-key/succeed"))
    order = {"name": "old-key", "algorithm": "chacha20", "policy_id": "", "reason": "move"}
    response = browser.post("/keys/old-key/succeed", order)
    assert response.status_code == 422
    assert "already exists" in plain(response)
    response = browser.post("/keys/old-key/succeed", order | {"name": "new-key"})
    assert response["Location"] == "/keys/new-key/"
    assert Key.objects.get(pk=key.pk).successor.name == "new-key"
    overview = plain(browser.get("/keys/new-key/"))
    assert "old-key replaced by new-key." in overview
    assert "Replacesold-key" in overview
    assert "Replaced bynew-key" in plain(browser.get("/keys/old-key/"))
    assert "Only active and expired keys" in plain(browser.get("/keys/old-key/succeed"))
