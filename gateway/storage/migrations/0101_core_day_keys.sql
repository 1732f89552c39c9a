-- What the core's day partitions hold of people lies under the key of the day, which is destroyed
-- when the day is dropped (PROTOCOL §3, Kept): an older backup of the database says nothing of it.
--
-- Until here it lay in clear, and SQL has no key to seal it. No release ever wrote these rows: a
-- trial's are ended, and whoever asks once more is answered by a new permit.
-- Locks both tables, empty ones, for as long as a change of their columns takes; a core is stopped
-- while it is migrated, so no program of before meets the new columns.

TRUNCATE core_inquiries, core_contacts;

-- Person and inquirer, keyed by the day: counted that day, and the same to nobody on another.
-- squawk-ignore renaming-column
ALTER TABLE core_contacts RENAME COLUMN person TO contact;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE core_contacts ADD CONSTRAINT core_contacts_keyed CHECK (octet_length(contact) = 32);

-- Whom a permit is about and what opens its `subject_p`, in one box. A refusal names nobody: its
-- entry in the log does.
-- squawk-ignore ban-drop-column
ALTER TABLE core_inquiries DROP COLUMN person, DROP COLUMN salt_p, ADD COLUMN sealed bytea;
-- The check of a whole permit went with the columns.
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE core_inquiries ADD CONSTRAINT core_inquiries_permit CHECK (
    CASE WHEN permit_id IS NULL THEN sealed IS NULL
         ELSE sealed IS NOT NULL AND subject_p IS NOT NULL AND token_expires IS NOT NULL
              AND request_expires IS NOT NULL END);

-- As before, with a contact where a person was.
CREATE OR REPLACE FUNCTION effect_core_inquiry(rows jsonb) RETURNS SETOF integer
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5, buckets.bucket)
       FROM (SELECT DISTINCT hashtext(r.inquirer || ' ' || r.contact) & 63 AS bucket
               FROM jsonb_to_recordset(rows) AS r (inquirer text, contact text, contact_day date)
              WHERE r.contact_day IS NOT NULL
              ORDER BY 1) AS buckets;
    RETURN QUERY
    WITH wanted AS MATERIALIZED (
        SELECT (r.place - 1)::integer AS position, r.inquiry_day, r.inquirer,
               decode(r.leaf, 'base64') AS leaf, r.entry_id, r.provider, r.requested_at, r.reason,
               r.permit_id, decode(r.sealed, 'base64') AS sealed,
               decode(r.subject_p, 'base64') AS subject_p, r.token_expires, r.request_expires,
               r.contact_day, decode(r.contact, 'base64') AS contact, r.providers_max
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   inquiry_day date, inquirer text, leaf text, entry_id uuid, provider text,
                   requested_at timestamptz, reason text, permit_id uuid, sealed text,
                   subject_p text, token_expires timestamptz, request_expires timestamptz,
                   contact_day date, contact text, providers_max integer
               )) WITH ORDINALITY
               AS r (inquiry_day, inquirer, leaf, entry_id, provider, requested_at, reason,
                     permit_id, sealed, subject_p, token_expires, request_expires, contact_day,
                     contact, providers_max, place)
    ), asked AS (
        SELECT DISTINCT w.contact_day, w.inquirer, w.contact, w.provider, w.providers_max
          FROM wanted AS w
         WHERE w.contact_day IS NOT NULL
    ), fresh AS MATERIALIZED (
        SELECT a.*
          FROM asked AS a
         -- One look into the index for each; a join could read the whole day instead.
         WHERE (SELECT c.day FROM core_contacts AS c
                 WHERE c.day = a.contact_day AND c.inquirer = a.inquirer
                   AND c.contact = a.contact AND c.provider = a.provider) IS NULL
    ), excessive AS MATERIALIZED (
        SELECT f.contact_day, f.inquirer, f.contact
          FROM fresh AS f
         GROUP BY f.contact_day, f.inquirer, f.contact
        HAVING count(*) + (SELECT count(*) FROM core_contacts AS c
                            WHERE c.day = f.contact_day AND c.inquirer = f.inquirer
                              AND c.contact = f.contact) > min(f.providers_max)
    ), allowed AS MATERIALIZED (
        SELECT w.*
          FROM wanted AS w
         WHERE NOT EXISTS (
               SELECT FROM excessive AS e JOIN fresh AS f USING (contact_day, inquirer, contact)
                WHERE e.contact_day = w.contact_day AND e.inquirer = w.inquirer
                  AND e.contact = w.contact AND f.provider = w.provider)
    ), met AS (
        INSERT INTO core_contacts (day, inquirer, contact, provider)
        SELECT DISTINCT a.contact_day, a.inquirer, a.contact, a.provider
          FROM allowed AS a
         WHERE a.contact_day IS NOT NULL
        ON CONFLICT DO NOTHING
    ), stored AS (
        INSERT INTO core_inquiries (inquiry_day, inquirer, leaf, entry_id, provider, requested_at,
                                    reason, permit_id, sealed, subject_p, token_expires,
                                    request_expires)
        SELECT a.inquiry_day, a.inquirer, a.leaf, a.entry_id, a.provider, a.requested_at,
               a.reason, a.permit_id, a.sealed, a.subject_p, a.token_expires, a.request_expires
          FROM allowed AS a
        ON CONFLICT DO NOTHING
        RETURNING core_inquiries.inquiry_day, core_inquiries.inquirer, core_inquiries.leaf
    )
    SELECT w.position FROM wanted AS w JOIN stored USING (inquiry_day, inquirer, leaf);
END $$;
