"""The routes that only officers have (``canaries.hidden``), with all others, to which their pages link."""

from django.urls import include, path

from canaries import urls as canaries
from ciphercanary import urls

urlpatterns = [
    path("api/v1/", include(canaries.api)),
    path("", include(canaries.pages)),
    *urls.urlpatterns,
]
