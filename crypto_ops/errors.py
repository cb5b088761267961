from kernel.errors import Invalid, Unavailable


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
