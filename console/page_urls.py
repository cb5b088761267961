from django.urls import path

from console.views import first_key, home, reference

urlpatterns = [
    path("", home.RootView.as_view(), name="root"),
    path("setup/first-key/", first_key.FirstKeyView.as_view(), name="first-key"),
    path("setup/first-key/decrypt", first_key.DecryptBackView.as_view(), name="first-key-decrypt"),
    path("home/", home.HomeView.as_view(), name="home"),
    path("reference/", reference.ReferenceView.as_view(), name="reference"),
]
