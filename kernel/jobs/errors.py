"""Errors of jobs whose result is a file. ``noun`` is a kind of job, such as export."""

from kernel.errors import Conflict, NotFound, Unavailable


class NoResult(Conflict):
    """The job has not succeeded yet, or never will."""

    code = "no_result"
    title = "The job has no result"

    def __init__(self, noun: str, status: str) -> None:
        remedy = (
            f"Start a new {noun}." if status in {"failed", "cancelled"} else "Wait until it has succeeded."
        )
        super().__init__(f"The {noun} is {status}. {remedy}", extra={"job_status": status})


class ResultGone(NotFound):
    """The result existed, but is no longer kept."""

    code = "result_gone"
    title = "The file has expired"

    def __init__(self, noun: str) -> None:
        super().__init__(f"The file of the {noun} has expired. Start a new {noun}.")


class ResultMissing(Unavailable):
    """The file is kept, but not here: another server wrote it to a folder that this one does not share."""

    code = "result_missing"
    title = "The file is not on this server"

    def __init__(self, noun: str, folder: str) -> None:
        super().__init__(
            f"This server does not have the file of the {noun}. Share CC_HOME/{folder} between all servers and "
            f"workers, or start a new {noun} if the file was deleted."
        )
