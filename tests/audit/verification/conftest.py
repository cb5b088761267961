"""An installation whose state has begun."""

import pytest

from audit.sequencing.state_beginning import begin_state
from tests.audit.verification.states import ACTOR, create_some
from tests.personas import make_persona


@pytest.fixture
def admin(root_of_trust):
    """An administrator. There is a row of each table that requests insert."""
    admin = make_persona("mira", "admin")
    create_some(admin, "first")
    begin_state(actor=ACTOR)
    return admin
