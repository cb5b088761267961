"""The algorithms and purposes of all stored keys: those that this API creates, and those of transit keys."""

from typing import Final

from kernel.crypto.algorithms import ALGORITHM_NAMES, TRANSIT_ALGORITHMS, find_key_algorithms
from kernel.crypto.algorithms import PURPOSES as CREATED_PURPOSES
from kernel.crypto.transit_types import type_of

NAMES: Final = (*ALGORITHM_NAMES, *(kind.name for kind in TRANSIT_ALGORITHMS))
PURPOSES: Final = (*CREATED_PURPOSES, "transit")


def stored_name(algorithm: str) -> str:
    """The stored name of an algorithm or its alias. Raises UnsupportedAlgorithm."""
    return algorithm if type_of(algorithm) else find_key_algorithms(algorithm)[0].name
