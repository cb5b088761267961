"""The hidden routes. ``ciphercanary.hidden_urls`` adds their prefixes."""

from django.urls import include, path

from canaries import api as rest
from canaries import views

api = [
    path("canaries", rest.CanaryListView.as_view(), name="api-canaries"),
    path("canaries/<uuid:canary_id>", rest.CanaryView.as_view(), name="api-canary"),
    path("canaries/incidents", rest.IncidentListView.as_view(), name="api-incidents"),
    path("canaries/incidents/<uuid:incident_id>", rest.IncidentView.as_view(), name="api-incident"),
    path(
        "canaries/incidents/<uuid:incident_id>/decision",
        rest.DecisionView.as_view(),
        name="api-incident-decision",
    ),
    path("canaries/offices", rest.OfficeListView.as_view(), name="api-offices"),
    path("canaries/offices/<uuid:user_id>", rest.OfficeView.as_view(), name="api-office"),
    path(
        "canaries/offices/<uuid:user_id>/confirm", rest.ConfirmOfficeView.as_view(), name="api-office-confirm"
    ),
    path("canaries/channels", rest.ChannelListView.as_view(), name="api-channels"),
    path("canaries/channels/<uuid:channel_id>", rest.ChannelView.as_view(), name="api-channel"),
    path("canaries/channels/<uuid:channel_id>/test", rest.ChannelTestView.as_view(), name="api-channel-test"),
    path("canaries/journal", rest.JournalView.as_view(), name="api-journal"),
    path("canaries/journal/export", rest.JournalExportView.as_view(), name="api-journal-export"),
]
api.append(
    path(
        "canaries/schema",
        rest.SchemaView.as_view(patterns=[path("api/v1/", include(list(api)))]),
        name="api-canaries-schema",
    )
)

pages = [
    path("canaries/", views.CanariesView.as_view(), name="canaries"),
    path("canaries/incidents/", views.IncidentsView.as_view(), name="incidents"),
    path("canaries/incidents/<uuid:incident_id>/", views.IncidentView.as_view(), name="incident"),
    path("canaries/plant/<kind>/", views.PlantView.as_view(), name="plant-canary"),
    path("canaries/channels/", views.ChannelsView.as_view(), name="channels"),
    path("canaries/offices/", views.OfficesView.as_view(), name="offices"),
    path("canaries/<uuid:canary_id>/", views.CanaryView.as_view(), name="canary"),
    path("canaries/<uuid:canary_id>/remove", views.RemoveCanaryView.as_view(), name="canary-remove"),
]
