import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID
from wsgiref.util import setup_testing_defaults

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from accounts.commands import SystemCommand
from canaries.services import drilling
from canaries.services.drilling import BegunDrill, Stages

_POLL_SECONDS: Final = 0.1


class Command(SystemCommand):
    help = "Touch a canary, and wait until every channel has the notice. Exit codes: 0 done, 1 too late."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--canary",
            default="",
            metavar="NAME",
            help="name or ID of a key, or ID of a canary; default: the one not drilled for longest",
        )
        parser.add_argument("--seconds", type=float, default=60.0, help="the deadline (default: 60)")

    def handle(self, *_args: Any, canary: str, seconds: float, **_options: Any) -> None:
        begun, missing = drilling.begin_drill(canary), ["every stage"]
        try:
            missing = self._drill(begun, seconds)
        finally:  # also after Ctrl-C
            drilling.end_drill(begun, is_in_time=not missing)
        if missing:
            late = "; ".join(missing)
            raise self.failure(f"Not within {seconds:g} seconds: {late}. Check the worker and its log.")
        if not begun.channels:
            self.stdout.write("There are no channels: officers see the incident in the console only.")

    def _drill(self, begun: BegunDrill, seconds: float) -> list[str]:
        """The stages that were not reached in time."""
        began = time.monotonic()
        _send_requests(begun.requests)
        self._write(began, f"the request for {begun.canary.name} was refused")
        missing = _stages_after_refusal(begun)
        while missing and time.monotonic() - began < seconds:
            time.sleep(_POLL_SECONDS)
            stages = drilling.stages_of(begun)
            for text in [text for text, is_reached in missing if is_reached(stages)]:
                self._write(began, text)
            missing = [(text, is_reached) for text, is_reached in missing if not is_reached(stages)]
        return [text for text, _ in missing]

    def _write(self, began: float, text: str) -> None:
        self.stdout.write(f"{time.monotonic() - began:6.2f} s  {text}")


type _Stage = tuple[str, Callable[[Stages], bool]]


def _stages_after_refusal(begun: BegunDrill) -> list[_Stage]:
    delivered: list[_Stage] = [
        (f"the notice was sent to {name}", partial(_has_got, channel_id))
        for channel_id, name in begun.channels.items()
    ]
    return [
        ("the sequencer added the entry to the log", lambda stages: stages.is_sequenced),
        ("the watcher found the touch and opened an incident", lambda stages: stages.is_found),
        *delivered,
    ]


def _has_got(channel_id: UUID, stages: Stages) -> bool:
    return channel_id in stages.delivered


def _send_requests(requests: Mapping[str, str]) -> None:
    """Read each key without a credential, through all of Django. The refusals are recorded as those of any client."""
    handler, url = WSGIHandler(), urlsplit(settings.CC_PUBLIC_URL)
    for request_id, key_id in requests.items():
        environ: dict[str, Any] = {
            "wsgi.url_scheme": url.scheme,
            "HTTP_HOST": url.netloc,
            "PATH_INFO": f"/api/v1/keys/{key_id}",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_X_REQUEST_ID": request_id,
        }
        setup_testing_defaults(environ)
        handler.get_response(WSGIRequest(environ)).close()
