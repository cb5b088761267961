from kernel.errors import Conflict
from kernel.http.problems import document


def test_an_extra_member_never_passes_for_a_member_of_the_standard():
    error = Conflict("No.", extra={"status": "expired", "code": "other", "state": "deactivated"})
    body = document(error, "request-1")
    assert (body["status"], body["code"], body["state"]) == (409, "conflict", "deactivated")
