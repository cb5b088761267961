from django.urls import path

from crypto_ops.algorithms.api import AlgorithmsView

api = [path("algorithms", AlgorithmsView.as_view(), name="algorithms")]
