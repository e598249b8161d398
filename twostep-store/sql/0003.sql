-- Schema 3: counter-based authenticators, how far off an authenticator is, trusted devices.

-- kind: of an HOTP authenticator (RFC 4226) last_step is the counter of the latest code accepted, and period means nothing. off_by: how many
-- steps the latest code was off the present one (TOTP), or how many were passed over (HOTP). used: when that was, Unix seconds.
ALTER TABLE authenticator ADD COLUMN kind TEXT NOT NULL DEFAULT 'totp' CHECK (kind IN ('totp', 'hotp'));
ALTER TABLE authenticator ADD COLUMN off_by INTEGER;
ALTER TABLE authenticator ADD COLUMN used INTEGER;

-- What need not give a code for a while, at one service. kind and device: the fingerprint of an ssh key, or an address. lifetime: seconds.
-- given: when it was trusted, by the wall clock, and by that of the boot.
CREATE TABLE trusted_device (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    enrollment INTEGER NOT NULL REFERENCES enrollment ON DELETE CASCADE,
    service    TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('key', 'address')),
    device     TEXT NOT NULL,
    lifetime   INTEGER NOT NULL,
    given      INTEGER NOT NULL, given_since_boot INTEGER NOT NULL, given_boot BLOB,
    UNIQUE (enrollment, service, kind, device)
) STRICT;
