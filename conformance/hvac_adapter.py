"""A pytest plugin: hvac's own integration tests send their requests to a running server in place of a Vault that they start.

    python -m pytest -p hvac_adapter tests/integration_tests/...

``CC_URL`` is the address of the server, ``CC_TOKEN`` a migration token with every scope.
"""

import os
import sys
from types import ModuleType
from typing import Any

import hvac

_URL = os.environ["CC_URL"]
_TOKEN = os.environ["CC_TOKEN"]
_VERSION = "2.7.2"


class RunningServer:
    """What the tests need of the manager of their servers."""

    root_token = _TOKEN

    def __init__(self, **_settings: Any) -> None:
        self.client = hvac.Client(url=_URL, token=_TOKEN)

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def initialize(self) -> None: ...

    def unseal(self) -> None: ...

    def get_active_vault_addresses(self) -> list[str]:
        return [_URL]


def _address(_case: Any, standby_status: bool = True) -> str:  # noqa: ARG001, FBT001, FBT002 - the signature of hvac
    return _URL


def _create_client(url: str = _URL, **named: Any) -> hvac.Client:
    return hvac.Client(url=url, **named)


_manager: Any = ModuleType("tests.utils.server_manager")  # the original one starts a Vault
_manager.ServerManager = RunningServer
sys.modules[_manager.__name__] = _manager

from tests import utils  # type: ignore[attr-defined]  # of hvac  # noqa: E402

utils.create_client = _create_client
utils.get_installed_vault_version = lambda: _VERSION
utils.is_enterprise = lambda: False

from tests.utils import hvac_integration_test_case as original  # noqa: E402

original.HvacIntegrationTestCase.get_vault_addr_by_standby_status = _address
