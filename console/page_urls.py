from django.urls import path

from console.views import home, reference, system, usage

urlpatterns = [
    path("home/", home.HomeView.as_view(), name="home"),
    path("usage/", usage.UsageView.as_view(), name="usage"),
    path("usage/numbers.csv", usage.UsageFileView.as_view(), name="usage-file"),
    path("system/", system.SystemView.as_view(), name="system"),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
]
