from django.urls import path

from accounts.custom_roles.api import RoleListView, RoleView

api = [
    path("roles", RoleListView.as_view(), name="api-roles"),
    path("roles/<slug:name>", RoleView.as_view(), name="api-role"),
]
