import pytest

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


@pytest.fixture
def five_keys(admin):
    for number in range(5):
        assert admin.api.post("/api/v1/keys", {"name": f"key-{number}", "algorithm": "aes-256"}).status == 201
    return admin.api


def test_pages_follow_each_other_and_hold_everything_once(five_keys):
    path, seen = "/api/v1/keys?limit=2", []
    while path:
        response = five_keys.get(path)
        assert response.json["count"] == 5
        seen += [key["name"] for key in response.json["results"]]
        path = response.json["next"]
    assert seen == [f"key-{number}" for number in range(5)]


def test_the_link_header_shows_what_the_body_says(five_keys):
    response = five_keys.get("/api/v1/keys?limit=2&page=2")
    assert (
        response.headers["Link"]
        == f'<{response.json["next"]}>; rel="next", <{response.json["previous"]}>; rel="prev"'
    )


def test_filters_stay_in_the_links(five_keys):
    assert "status=active" in five_keys.get("/api/v1/keys?limit=2&status=active").json["next"]


def test_a_page_after_the_last_is_empty(five_keys):
    response = five_keys.get("/api/v1/keys?page=99")
    assert (response.status, response.json["results"], response.json["next"]) == (200, [], None)
    assert "Link" in response.headers


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=one", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("page=1&page=2", "page"),
        ("pgae=1", "pgae"),
    ],
)
def test_a_wrong_window_is_refused_by_name(admin, query, field):
    response = admin.api.get(f"/api/v1/keys?{query}")
    assert (response.status, list(response.json["errors"])) == (400, [field])
