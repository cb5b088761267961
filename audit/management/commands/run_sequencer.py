import logging
from typing import Any

from audit.commands import LogCommand
from audit.sequencing.running import Sequencer
from kernel.databases.applied_migrations import applied_migrations
from kernel.stopping import catch_stop_signals

logger = logging.getLogger(__name__)


class Command(LogCommand):
    help = "Sequence, sign and anchor the audit log until stopped. The server starts it."
    requires_migrations_checks = False  # the database may still be starting

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.serve_process_endpoint()
        sequencer = Sequencer(catch_stop_signals())
        size = sequencer.prepare()
        if size is None:
            return
        self.refuse_newer_database(applied_migrations())
        logger.info("the sequencer continues from entry %s of the audit log", size)
        sequencer.run()
