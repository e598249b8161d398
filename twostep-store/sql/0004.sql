-- Schema 4: what an app password is limited to.

-- services, networks: PAM service names with * and ?, networks; with commas between them; NULL for all. lifetime: seconds from when it was
-- made, NULL for ever. given_since_boot, given_boot: when that was by the clock of the boot, for those with a lifetime. boot_tag: from now on
-- eight bytes for the boot key it is of come first; those from before are of no use any more.
ALTER TABLE app_password ADD COLUMN services TEXT;
ALTER TABLE app_password ADD COLUMN networks TEXT;
ALTER TABLE app_password ADD COLUMN lifetime INTEGER;
ALTER TABLE app_password ADD COLUMN given_since_boot INTEGER;
ALTER TABLE app_password ADD COLUMN given_boot BLOB;
