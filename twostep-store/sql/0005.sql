-- Schema 5: which state of the roster belongs to this store.

-- roster: random, and new with every change that the roster tells of; the roster's header has the same. 0 where none is kept.
-- roster_place: the file that it was last written to; NULL where none is kept.
ALTER TABLE meta ADD COLUMN roster INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN roster_place TEXT;
