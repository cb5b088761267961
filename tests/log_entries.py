"""Write entries as a writer does, and read the rows of the log right after an act, as a page does."""

import uuid

from django.db import transaction

from audit.log.bundles import bundle_of, entry_of, insert_bundle
from audit.models import AuditLog
from audit.sequencing.catching_up import catch_up


def log_rows():
    """``AuditLog.objects`` with the entries of everything recorded before the call."""
    catch_up()
    return AuditLog.objects


def insert_events(events, *, at, writer=None, first=1):
    """Write (event, actor) pairs in one bundle of a writer; return its id."""
    writer = writer or uuid.uuid4()
    many = [entry_of(event, actor) for event, actor in events]
    with transaction.atomic():
        insert_bundle(bundle_of(many, at=at, writer=writer, first=first))
    return writer
