from django.urls import path

from ciphercanary.pages import Rule
from keys.acts import ACTS
from keys.views import changing, detail, listing

urlpatterns = [
    path("keys/", listing.KeyListView.as_view(), name="keys"),
    path("keys/new", listing.NewKeyView.as_view(), name="key-new"),
    path("keys/<slug:name>/", detail.OverviewView.as_view(), name="key"),
    path("keys/<slug:name>/versions/", detail.VersionsView.as_view(), name="key-versions"),
    path("keys/<slug:name>/settings/", changing.SettingsView.as_view(), name="key-settings"),
    *(
        path(
            f"keys/<slug:name>/{act.slug}",
            changing.ActView.as_view(
                act=act, rules=dict.fromkeys(("GET", "POST"), Rule(act.permission, act.action))
            ),
            name=act.url_name,
        )
        for act in ACTS.values()
    ),
]
