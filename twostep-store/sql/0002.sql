-- Schema 2: history, bypass codes, and commands of the administrator's that are due.

-- What was changed, for people to read. It is kept by name, and outlives enrollments. uid: that of the account it was done for, who alone
-- is shown it. grave: 1 for what decides who can sign in; the rest is kept apart, so that it cannot push that out.
CREATE TABLE history (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    user   TEXT NOT NULL,
    uid    INTEGER NOT NULL,
    action TEXT NOT NULL,
    grave  INTEGER NOT NULL CHECK (grave IN (0, 1)),
    target TEXT,
    by     TEXT NOT NULL,
    why    TEXT
) STRICT;
CREATE INDEX history_user ON history (user, grave);

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
