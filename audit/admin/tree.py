"""Admin pages of the Merkle tree over the log, its checkpoints and their signing keys."""

from typing import cast

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, StringAgg, Subquery, Value
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from audit.admin.logs import LogAdmin
from audit.models import (
    AuditBundle,
    AuditCheckpoint,
    AuditLeaf,
    AuditReceipt,
    AuditTile,
    AuditTree,
    CheckpointKey,
)
from audit.sequencing.checkpoint_keys import origin
from audit.tlog.checkpoint import VerifierKey
from audit.tlog.merkle import HASH_SIZE
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(AuditCheckpoint)
class AuditCheckpointAdmin(LogAdmin):
    date_hierarchy = "signed_at"
    fields = ("size", "signed_at", "note", "receipts")
    readonly_fields = ("receipts",)
    list_display = ("size", "signed_at", "anchors")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditCheckpoint]:
        names = StringAgg("anchor", Value(", "), order_by="anchor")
        receipts = AuditReceipt.objects.filter(size=OuterRef("size")).order_by().values("size")
        # One query for the page. Django drops the annotation if it only counts rows.
        anchors = Subquery(receipts.annotate(names=names).values("names"))
        return cast("QuerySet[AuditCheckpoint]", super().get_queryset(request).annotate(anchors=anchors))

    def anchors(self, checkpoint: AuditCheckpoint) -> str | None:
        names: str | None = getattr(checkpoint, "anchors", None)
        return names

    def receipts(self, checkpoint: AuditCheckpoint) -> SafeString:
        rows = AuditReceipt.objects.filter(size=checkpoint.size).order_by("anchor")
        lines = [(row.anchor, row.receipt) for row in rows]
        return format_html_join("\n", "<div>{}: {}</div>", lines) or SafeString("-")


@admin.register(AuditReceipt)
class AuditReceiptAdmin(LogAdmin):
    list_display = ("size", "anchor", "receipt", "anchored_at")
    ordering = ("-id",)


@admin.register(CheckpointKey)
class CheckpointKeyAdmin(ReadOnlyModelAdmin):
    fields = ("kid", "algorithm", "state", "vkey", "kek_id", "created_at")
    readonly_fields = ("vkey",)
    list_display = ("kid", "algorithm", "state", "created_at")
    list_filter = ("state",)
    ordering = ("-created_at",)

    @admin.display(description="public key to pin")
    def vkey(self, key: CheckpointKey) -> str:
        return VerifierKey(origin(), key.algorithm, bytes(key.public_key)).vkey


@admin.register(AuditTree)
class AuditTreeAdmin(ReadOnlyModelAdmin):
    fields = ("size", "root_hash")
    readonly_fields = ("root_hash",)
    list_display = ("size", "root_hash")

    def root_hash(self, tree: AuditTree) -> str:
        return bytes(tree.root).hex()


@admin.register(AuditLeaf)
class AuditLeafAdmin(LogAdmin):
    fields = ("idx", "log_id", "hash")
    readonly_fields = ("hash",)
    list_display = ("idx", "log_id", "hash")
    ordering = ("-idx",)
    search_fields = ("log_id",)
    search_help_text = "Entry ID"

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditLeaf],
        search_term: str,
    ) -> tuple[QuerySet[AuditLeaf], bool]:
        """Django would compare the ids as text, which no index supports."""
        if not search_term:
            return queryset, False
        is_id = search_term.isascii() and search_term.isdecimal()
        return (queryset.filter(log_id=int(search_term[:20])) if is_id else queryset.none()), False

    def hash(self, leaf: AuditLeaf) -> str:
        return bytes(leaf.leaf_hash).hex()


@admin.register(AuditTile)
class AuditTileAdmin(LogAdmin):
    fields = ("level", "number", "width")
    readonly_fields = ("width",)
    list_display = ("level", "number", "width")
    ordering = ("-id",)

    def width(self, tile: AuditTile) -> int:
        return len(bytes(tile.hashes)) // HASH_SIZE


@admin.register(AuditBundle)
class AuditBundleAdmin(LogAdmin):
    fields = ("id", "at", "writer", "first", "entries", "size", "rejected_at")
    readonly_fields = ("size",)
    list_display = ("id", "at", "writer", "first", "entries", "rejected_at")
    ordering = ("-id",)

    def size(self, bundle: AuditBundle) -> int:
        """Bytes of the body."""
        return len(bytes(bundle.body))
