-- Schema 5.1: which host key and store were made on.

-- host: HMAC over store_id and the host's machine-id. NULL where that is not recorded, or there is none.
ALTER TABLE meta ADD COLUMN host BLOB;
