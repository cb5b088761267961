from django.urls import path

from console import api

urlpatterns = [
    path("attention", api.AttentionView.as_view(), name="attention"),
]
