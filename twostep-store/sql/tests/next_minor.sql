-- An invented minor step, for tests alone: all that such a step may do, to every table. docs/store.md has the rules.

ALTER TABLE meta ADD COLUMN next_note TEXT;
ALTER TABLE meta ADD COLUMN next_count INTEGER NOT NULL DEFAULT 7;
ALTER TABLE enrollment ADD COLUMN next_enrollment_note TEXT;
ALTER TABLE enrollment ADD COLUMN next_enrollment_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_enrollment ON enrollment (next_enrollment_count, created);
ALTER TABLE authenticator ADD COLUMN next_authenticator_note BLOB;
ALTER TABLE authenticator ADD COLUMN next_authenticator_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_authenticator ON authenticator (last_step);
ALTER TABLE backup_code ADD COLUMN next_code_note BLOB;
ALTER TABLE backup_code ADD COLUMN next_code_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_backup_code ON backup_code (enrollment, tag);
ALTER TABLE app_password ADD COLUMN next_password_note TEXT;
ALTER TABLE app_password ADD COLUMN next_password_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_app_password ON app_password (last_used);
ALTER TABLE revoked_app_password ADD COLUMN next_revoked_note TEXT;
ALTER TABLE revoked_app_password ADD COLUMN next_revoked_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_revoked ON revoked_app_password (revoked);
ALTER TABLE source ADD COLUMN next_source_note TEXT;
ALTER TABLE source ADD COLUMN next_source_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_source ON source (enrollment, failed_at);
ALTER TABLE history ADD COLUMN next_history_note TEXT;
ALTER TABLE history ADD COLUMN next_history_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_history ON history (at);
ALTER TABLE due ADD COLUMN next_due_note TEXT;
ALTER TABLE due ADD COLUMN next_due_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_due ON due (user);
ALTER TABLE trusted_device ADD COLUMN next_device_note TEXT;
ALTER TABLE trusted_device ADD COLUMN next_device_count INTEGER NOT NULL DEFAULT 7;
CREATE INDEX next_device ON trusted_device (given);

-- What belongs to an enrollment goes with it, whoever deletes that.
CREATE TABLE next_thing (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    of_enrollment    INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    of_app_password  INTEGER REFERENCES app_password ON DELETE SET NULL,
    next_thing_count INTEGER NOT NULL
) STRICT;
CREATE INDEX next_thing_enrollment ON next_thing (of_enrollment);
