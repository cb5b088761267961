from django.urls import path

from console.views import home, reference

urlpatterns = [
    path("home/", home.HomeView.as_view(), name="home"),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
]
