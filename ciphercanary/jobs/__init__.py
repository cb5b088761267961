"""Long work: a row with a lease is the truth (``job``), and whoever holds the lease does it (``running``)."""

from ciphercanary.jobs.job import ENDED, Job, Status, asked_by

__all__ = ["ENDED", "Job", "Status", "asked_by"]
