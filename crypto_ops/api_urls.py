from django.urls import path

from crypto_ops import api

urlpatterns = [
    path("encrypt", api.EncryptView.as_view(), name="encrypt"),
    path("decrypt", api.DecryptView.as_view(), name="decrypt"),
    path("reencrypt", api.ReencryptView.as_view(), name="reencrypt"),
    path("inspect", api.InspectView.as_view(), name="inspect"),
    path("random", api.RandomView.as_view(), name="random"),
    path("algorithms", api.AlgorithmsView.as_view(), name="algorithms"),
]
