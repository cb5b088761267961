"""From the rows of the log to the signed tree over them; ``bin/manage run_sequencer`` is the process that does it."""
