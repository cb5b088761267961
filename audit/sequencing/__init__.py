"""Build the signed tree from the rows of the log. ``bin/manage run_sequencer`` is the process that does it."""
