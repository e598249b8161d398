-- Schema 2: history, bypass codes, and commands of the administrator's that are due.

-- What was changed, for people to read. It is about names, and outlives enrollments.
CREATE TABLE history (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    user   TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    by     TEXT NOT NULL,
    why    TEXT
) STRICT;
CREATE INDEX history_user ON history (user);

-- A backup code with a lifetime is a bypass code. lifetime: seconds. given: when, by the wall clock, and by that of the boot.
ALTER TABLE backup_code ADD COLUMN lifetime INTEGER;
ALTER TABLE backup_code ADD COLUMN uses INTEGER;
ALTER TABLE backup_code ADD COLUMN given INTEGER;
ALTER TABLE backup_code ADD COLUMN given_since_boot INTEGER;
ALTER TABLE backup_code ADD COLUMN given_boot BLOB;

-- Commands that are due: an app password was made or revoked. tries: how often the command has failed.
CREATE TABLE due (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('create', 'revoke')),
    user  TEXT NOT NULL,
    name  TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
