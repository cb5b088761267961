-- heads: heads of two users swapped -- rows of users.*state_heads
UPDATE state_heads SET contents = CASE id WHEN (SELECT min(id) FROM state_heads WHERE id LIKE 'users:%')
THEN (SELECT contents FROM old_state_heads WHERE id = (SELECT max(id) FROM old_state_heads WHERE id LIKE 'users:%')) ELSE
(SELECT contents FROM old_state_heads WHERE id = (SELECT min(id) FROM old_state_heads WHERE id LIKE 'users:%')) END
WHERE id IN ((SELECT min(id) FROM state_heads WHERE id LIKE 'users:%'), (SELECT max(id) FROM state_heads WHERE id LIKE 'users:%'));
-- heads: heads of all keys removed -- rows of encryption_keys.*state_heads
DELETE FROM state_heads WHERE id LIKE 'encryption_keys:%';
-- heads: a head altered -- rows of service_accounts.*state_heads
UPDATE state_heads SET contents = 'x' WHERE id LIKE 'service_accounts:%';
-- heads: a head without a row -- rows of encryption_policies.*state_heads
INSERT INTO state_heads VALUES ('encryption_policies:0', 'x');
-- heads: heads of versions in upper case -- rows of key_versions.*state_heads
UPDATE state_heads SET id = upper(id) WHERE id LIKE 'key_versions:%';
-- log: an entry removed -- entry_missing.* 40\b
DELETE FROM audit_logs WHERE id = 40;
-- log: an entry hidden by its actor -- entry_altered.* 50\b
UPDATE audit_logs SET actor_name = 'nobody' WHERE id = 50;
-- log: an entry hidden by its outcome -- entry_altered.* 60\b
UPDATE audit_logs SET outcome = 'error' WHERE id = 60;
-- log: an entry hidden by its time -- entry_altered.* 70\b
UPDATE audit_logs SET timestamp = (SELECT timestamp FROM audit_logs WHERE id = 1) WHERE id = 70;
-- log: an entry hidden by its address -- entry_altered.* 80\b
UPDATE audit_logs SET client_ip = '192.0.2.9', source = 'console' WHERE id = 80;
-- log: the changed row with the lowest id removed -- \btrail\b
DELETE FROM audit_trail WHERE id = (SELECT min(id) FROM audit_trail);
-- log: a bundle put back after its sequencing -- bundle_rejected
INSERT INTO audit_bundles SELECT * FROM old_audit_bundles;
-- log: a rejected bundle invented -- \bbundle\b.* rejected|bundle .*reject
INSERT INTO audit_bundles ({columns}) SELECT {columns} FROM old_audit_bundles;
UPDATE audit_bundles SET rejected_at = at WHERE mac IN (SELECT mac FROM old_audit_bundles) AND id NOT IN (SELECT id FROM old_audit_bundles);
-- log: sums of a day altered -- usage_days
UPDATE usage_days SET denied = 7 WHERE id = (SELECT min(id) FROM usage_days);
-- log: roll-ups removed -- usage_rollups
DELETE FROM usage_rollups WHERE id = (SELECT min(id) FROM usage_rollups);
-- log: an alarm removed -- alarm to be removed
DELETE FROM audit_alarms WHERE found = 'alarm to be removed';
-- log: an alarm resolved -- audit_alarms
UPDATE audit_alarms SET resolved_at = raised_at, reason = 'none' WHERE found = 'alarm to be resolved';
-- log: the oldest checkpoint removed -- checkpoint
DELETE FROM audit_checkpoints WHERE size = (SELECT min(size) FROM audit_checkpoints);
-- log: a receipt invented -- audit_receipts
INSERT INTO audit_receipts (size, anchor, receipt, anchored_at, row_seq, row_mac) SELECT max(size), 'file', 'x', max(signed_at), 1, '1.00000000.x' FROM audit_checkpoints;
-- log: a permission to remove entries invented -- audit_removals
INSERT INTO audit_removals (segment) VALUES (1);
-- alone: a leaf of the first era invented -- leaf_surplus|audit_leaves
INSERT INTO audit_leaves SELECT 0, 1, hashes FROM audit_tiles WHERE level = 0 AND number = 0;
-- log: a page of the sealed journal removed -- journal
DELETE FROM journal_pages WHERE number = (SELECT min(number) FROM journal_pages);
-- log: the position in the log removed -- log_position|journal
DELETE FROM log_position;
-- rest: the security epoch lowered -- epoch
UPDATE security_epoch SET epoch = epoch - 1;
-- rest: epochs of single objects lowered -- entity_epochs
UPDATE entity_epochs SET epoch = 1;
-- rest: failed sign-ins forgotten -- login_attempts -- the counters of passkeys and of failed sign-ins
DELETE FROM login_attempts;
-- rest: counters of passkeys set back -- sign_count -- the counters of passkeys and of failed sign-ins
UPDATE passkeys SET sign_count = 0;
-- rest: reserved invocations forgotten -- uses_reserved -- the count of reserved invocations
UPDATE key_versions SET uses_reserved = 0;
-- rest: the next rotation postponed -- next_rotation -- the date of the next rotation
UPDATE encryption_keys SET next_rotation_at = '2099-01-01 00:00:00';
-- rest: a step of an authenticator set back -- last_step -- the used state of a TOTP code
UPDATE totp_devices SET last_step = 0;
-- rest: rotations of a finished job removed -- key_rotations -- `key_rotations` has no MAC
DELETE FROM key_rotations;
-- rest: notifications removed -- notifications -- notifications and deliveries
DELETE FROM notification_deliveries;
DELETE FROM notifications;
-- rest: the last use of tokens altered -- token_last_uses -- the last use of a service token
UPDATE token_last_uses SET client_ip = '192.0.2.7';
-- rest: a job given to another requester -- encryption_operations
UPDATE encryption_operations SET created_by = (SELECT id FROM changed_users);
-- rest: the result of a finished export altered -- audit_exports
UPDATE audit_exports SET sha256 = 'x', altered = 0 WHERE sha256 <> '';
-- rest: a saved filter altered -- saved_filters
UPDATE audit_saved_filters SET filters = '{"outcome": "ok"}';
-- rest: the release in the database altered -- applied_releases
UPDATE applied_releases SET version = '99.0';
-- rest: the creation of the installation moved -- instance
UPDATE instance SET created_at = '2000-01-01 00:00:00';
-- rest: dates of key-encryption keys altered -- key_encryption_keys -- The records of key-encryption keys have no MAC
UPDATE key_encryption_keys SET created_at = '2000-01-01 00:00:00';
-- alone: sums of the state removed -- state_unknown|sums
UPDATE audit_tree SET sums = NULL;
-- alone: older sums of the state put back -- state_unknown|sums
UPDATE audit_tree SET sums = (SELECT sums FROM old_audit_tree);
-- alone: the whole older tree put back, with its sums -- tree|sums|leaf|older|integrity_failed
DELETE FROM audit_tree;
INSERT INTO audit_tree SELECT * FROM old_audit_tree;
-- alone: the key of the sums removed -- state
DELETE FROM system_keys WHERE purpose = 'state-mac';
-- alone: two system keys exchanged -- system|state|mac|integrity
UPDATE system_keys SET wrapped = (SELECT o.wrapped FROM old_system_keys o WHERE o.purpose = 'documents') WHERE purpose = 'state-mac';
-- alone: the key of the MACs removed -- MAC|protected_row|integrity
DELETE FROM system_keys WHERE purpose = 'row-mac';
-- alone: no primary key-encryption key -- key-encryption
UPDATE key_encryption_keys SET is_primary = false;
-- alone: records of key-encryption keys removed -- key-encryption
DELETE FROM key_encryption_keys;
-- alone: a foreign sentinel of the key-encryption key -- key-encryption
UPDATE key_encryption_keys SET sentinel = (SELECT o.wrapped FROM old_system_keys o WHERE o.purpose = 'documents');
-- alone: a migration invented -- migration
INSERT INTO django_migrations (app, name, applied) SELECT 'keys', '9999_none', max(applied) FROM django_migrations;
-- alone: a migration forgotten -- migration
DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations);
-- alone: the security epoch removed -- epoch
DELETE FROM security_epoch;
-- alone: a checkpoint key retired -- checkpoint_key|integrity_failed
UPDATE checkpoint_keys SET state = 'retired';
-- alone: an entry ahead of the log invented -- integrity_failed|leaf|not_sequenced|ahead
CREATE TABLE ahead AS SELECT * FROM audit_logs WHERE id = 1;
UPDATE ahead SET id = (SELECT max(id) + 2 FROM audit_logs), wseq = 1000000000;
INSERT INTO audit_logs SELECT * FROM ahead;
