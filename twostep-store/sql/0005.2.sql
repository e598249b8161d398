-- Schema 5.2: enrollments by the name without its domain, so that other spellings of a name are found without reading all names.

-- The part behind the first backslash, in lower case: of EXAMPLE\Alice it is alice, of bob@example.org all.
CREATE INDEX enrollment_user_part ON enrollment (lower(substr(user, 1 + instr(user, '\'))));
