from django.urls import path

from accounts.sessions import api, views

auth = [
    path("sessions", api.SessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>", api.SessionView.as_view(), name="session"),
]

pages = [
    path("session/extend", views.ExtendSessionView.as_view(), name="session-extend"),
    path("account/sessions/", views.SessionsView.as_view(), name="sessions"),
]
