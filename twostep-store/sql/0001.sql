-- Schema 1. Ids are never reused (AUTOINCREMENT): sealed secrets and tags are bound to them. Comments stand outside the statements:
-- SQLite keeps what stands inside, and every login parses it.

-- store_id: random, part of what sealed secrets are bound to. key_id: which master key sealed them. latest_time: the latest time that
-- a right code has confirmed, Unix seconds.

CREATE TABLE meta (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    store_id    BLOB NOT NULL CHECK (length(store_id) = 16),
    key_id      BLOB NOT NULL CHECK (length(key_id) = 8),
    latest_time INTEGER NOT NULL
) STRICT;

CREATE TABLE enrollment (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    user      TEXT NOT NULL UNIQUE,
    uid       INTEGER NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('pending', 'active')),
    created   INTEGER NOT NULL,
    activated INTEGER
) STRICT;
CREATE INDEX enrollment_uid ON enrollment (uid);

-- secret: nonce and XChaCha20-Poly1305. last_step: the last one of which a code was accepted.
CREATE TABLE authenticator (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    label      TEXT NOT NULL,
    algorithm  TEXT NOT NULL CHECK (algorithm IN ('sha1', 'sha256', 'sha512')),
    digits     INTEGER NOT NULL CHECK (digits BETWEEN 6 AND 8),
    period     INTEGER NOT NULL CHECK (period IN (30, 60)),
    secret     BLOB NOT NULL,
    last_step  INTEGER,
    created    INTEGER NOT NULL,
    UNIQUE (enrollment, label)
) STRICT;

CREATE TABLE backup_code (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    tag        INTEGER NOT NULL,
    memory     INTEGER NOT NULL, passes INTEGER NOT NULL, lanes INTEGER NOT NULL,
    salt       BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE INDEX backup_code_enrollment ON backup_code (enrollment);

CREATE TABLE app_password (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment   INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    name         TEXT NOT NULL,
    tag          INTEGER NOT NULL,
    memory       INTEGER NOT NULL, passes INTEGER NOT NULL, lanes INTEGER NOT NULL,
    salt         BLOB NOT NULL, hash BLOB NOT NULL,
    boot_tag     BLOB,
    created      INTEGER NOT NULL,
    last_used    INTEGER, last_service TEXT, last_source TEXT,
    UNIQUE (enrollment, name)
) STRICT;
CREATE INDEX app_password_tag ON app_password (enrollment, tag);

-- Of a revoked app password the name and the sixteen bits of its tag stay, so that the log can name it when it is still tried.
CREATE TABLE revoked_app_password (
    id         INTEGER PRIMARY KEY,
    enrollment INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    name       TEXT NOT NULL,
    tag        INTEGER NOT NULL,
    revoked    INTEGER NOT NULL
) STRICT;
CREATE INDEX revoked_app_password_tag ON revoked_app_password (enrollment, tag);

-- Failures and successes by where they came from. failures: wrong answers since the last right one from here. codes: wrong codes that
-- count towards the cap. untold: wrong answers that the owner has not been told of. last_success: the last login from here that
-- succeeded as a whole.
CREATE TABLE source (
    enrollment         INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    source             TEXT NOT NULL,
    failures           INTEGER NOT NULL,
    codes              INTEGER NOT NULL,
    untold             INTEGER NOT NULL,
    failed_at          INTEGER, failed_since_boot INTEGER, failed_boot BLOB,
    last_success       INTEGER,
    PRIMARY KEY (enrollment, source)
) STRICT, WITHOUT ROWID;
