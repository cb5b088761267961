from kernel.errors import Invalid, Refused, Unavailable


class StreamCut(Invalid):
    """The client disconnected, or the server stopped, before a stream was complete. No response is possible."""

    code = "stream_cut"
    title = "The stream is incomplete"

    def __init__(self) -> None:
        super().__init__("The stream ended before it was complete. Send it again.")


class SpoolNotWritten(Unavailable):
    """The data folder cannot store a stream that has to wait there, for example because the disk is full."""

    code = "spool_not_written"
    title = "The stream cannot be stored on disk"

    def __init__(self) -> None:
        super().__init__(
            "The stream cannot be stored until it is complete. Check the free space and the permissions of CC_HOME."
        )


class FileNotStored(Unavailable):
    """A file cannot be written to the data folder, for example because the disk is full, or is missing there."""

    code = "file_not_stored"
    title = "The file cannot be stored"

    def __init__(self) -> None:
        super().__init__(
            "The file cannot be stored or read. Check the free space and the permissions of CC_HOME/files."
        )


class FileQuotaExceeded(Refused):
    """Files are stored next to the database, so one user must not fill the disk."""

    code = "file_quota_exceeded"
    title = "Your files use too much space"

    def __init__(self, jobs: int, quota: int) -> None:
        super().__init__(
            f"You may have {jobs} file jobs with {quota} bytes in total. Cancel a job, or wait until a file expires.",
            extra={"jobs_limit": jobs, "bytes_limit": quota},
        )
