"""Indexes of wide columns with their hashes, on PostgreSQL. On SQLite, they stay those of the values."""

from django.db import migrations, models

from audit.models.hashed import HashedTextField, HashedUUIDField, HashOf

_TEXTS = {"object_id": 100, "actor_name": 150, "action": 64}
_FORWARDS = """
DROP INDEX idx_audit_logs_object;
CREATE INDEX idx_audit_logs_object ON audit_logs (hashtextextended(object_id, 0), id);
DROP INDEX idx_audit_logs_actor;
CREATE INDEX idx_audit_logs_actor ON audit_logs (hashtextextended(actor_name, 0), id);
DROP INDEX idx_audit_logs_action;
CREATE INDEX idx_audit_logs_action ON audit_logs (hashtextextended(action, 0), id);
DROP INDEX idx_audit_logs_user;
CREATE INDEX idx_audit_logs_user ON audit_logs (uuid_hash_extended(user_id, 0), id) WHERE user_id IS NOT NULL;
DROP INDEX idx_audit_logs_account;
CREATE INDEX idx_audit_logs_account ON audit_logs (uuid_hash_extended(actor_id, 0), id) WHERE actor_id IS NOT NULL;
ALTER TABLE audit_logs DROP CONSTRAINT audit_logs_writer_is_sequenced;
CREATE UNIQUE INDEX audit_logs_writer_is_sequenced ON audit_logs (uuid_hash_extended(writer, 0), wseq)
"""
_BACKWARDS = """
DROP INDEX idx_audit_logs_object;
CREATE INDEX idx_audit_logs_object ON audit_logs (object_id, id);
DROP INDEX idx_audit_logs_actor;
CREATE INDEX idx_audit_logs_actor ON audit_logs (actor_name, id);
DROP INDEX idx_audit_logs_action;
CREATE INDEX idx_audit_logs_action ON audit_logs (action, id);
DROP INDEX idx_audit_logs_user;
CREATE INDEX idx_audit_logs_user ON audit_logs (user_id, id) WHERE user_id IS NOT NULL;
DROP INDEX idx_audit_logs_account;
CREATE INDEX idx_audit_logs_account ON audit_logs (actor_id, id) WHERE actor_id IS NOT NULL;
DROP INDEX audit_logs_writer_is_sequenced;
ALTER TABLE audit_logs ADD CONSTRAINT audit_logs_writer_is_sequenced UNIQUE (writer, wseq)
"""


def execute(schema_editor, statements):
    if schema_editor.connection.vendor == "postgresql":
        for statement in statements.split(";"):
            schema_editor.execute(statement)


def hash_columns(apps, schema_editor):
    execute(schema_editor, _FORWARDS)


def index_columns(apps, schema_editor):
    execute(schema_editor, _BACKWARDS)


def index_with(column, name, *, is_of_identity=False):
    condition = models.Q((f"{column}__isnull", False)) if is_of_identity else None
    return [
        migrations.RemoveIndex("auditlog", name),
        migrations.AddIndex("auditlog", models.Index(HashOf(column), "id", condition=condition, name=name)),
    ]


class Migration(migrations.Migration):
    dependencies = [("audit", "0022_packed_rows")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(hash_columns, index_columns)],
            state_operations=[
                *(
                    migrations.AlterField("auditlog", name, HashedTextField(blank=True, max_length=size))
                    for name, size in _TEXTS.items()
                ),
                migrations.AlterField("auditlog", "writer", HashedUUIDField()),
                migrations.AlterField("auditlog", "user_id", HashedUUIDField(null=True)),
                migrations.AlterField("auditlog", "actor_id", HashedUUIDField(null=True)),
                *index_with("object_id", "idx_audit_logs_object"),
                *index_with("actor_name", "idx_audit_logs_actor"),
                *index_with("action", "idx_audit_logs_action"),
                *index_with("user_id", "idx_audit_logs_user", is_of_identity=True),
                *index_with("actor_id", "idx_audit_logs_account", is_of_identity=True),
                migrations.RemoveConstraint("auditlog", "audit_logs_writer_is_sequenced"),
                migrations.AddConstraint(
                    "auditlog",
                    models.UniqueConstraint(
                        HashOf("writer"), "wseq", name="audit_logs_writer_is_sequenced"
                    ),
                ),
            ],
        )
    ]
