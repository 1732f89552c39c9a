-- What decisions rest on, kept so that each can be derived again from what stood at its time
-- (docs/operations/alerts.md, SekishoDecisionWrong): the allow list, the bodies and classes of the
-- directory, the release rules. Facts of law, bodies and rules: nothing personal, few rows.
-- Locks nothing that is in use: everything here is new.

-- Written before the entry by which they come into use: they may be larger than what an entry can
-- carry. Nothing is in use by standing here.
CREATE TABLE basis_documents (
    digest   text  PRIMARY KEY,
    kind     text  NOT NULL CHECK (kind IN ('allow-list', 'bodies', 'rules')),
    document bytea NOT NULL,
    CONSTRAINT basis_documents_digest CHECK (digest = encode(sha256(document), 'hex'))
);
GRANT SELECT, INSERT ON basis_documents TO sekisho_app;

-- Which of them came into use together, when, and under which version of the directory. A row is
-- made by its entry and never changes; a version in which only keys changed makes none.
CREATE TABLE decision_basis (
    number              bigint      PRIMARY KEY CHECK (number > 0),
    entry_id            text        NOT NULL UNIQUE CHECK (entry_id ~ '^[0-9a-f]{32}$'),
    -- By the clock that entries are stamped by.
    since               timestamptz NOT NULL,
    directory_version   bigint      NOT NULL CHECK (directory_version > 0),
    directory           text        NOT NULL CHECK (directory ~ '^[0-9a-f]{64}$'),
    allow_list_version  bigint      NOT NULL CHECK (allow_list_version > 0),
    -- As the directory names it: of what is signed, without the signatures.
    allow_list          text        NOT NULL CHECK (allow_list ~ '^[0-9a-f]{64}$'),
    law_version         text        NOT NULL,
    allow_list_document text        NOT NULL REFERENCES basis_documents,
    bodies              text        NOT NULL REFERENCES basis_documents,
    rules_version       text        NOT NULL,
    rules               text        NOT NULL REFERENCES basis_documents
);
GRANT SELECT, INSERT ON decision_basis TO sekisho_app;

-- Refused if another worker was quicker (the number is the next one), or if these rules' version
-- was in use with other content: it stands in every record that was made under it.
CREATE FUNCTION effect_basis_in_use(rows jsonb) RETURNS SETOF integer
LANGUAGE sql VOLATILE AS $$
    WITH wanted AS (
        SELECT w.*, (w.place - 1)::integer AS position
          FROM ROWS FROM (jsonb_to_recordset(rows) AS (
                   number bigint, entry_id text, since timestamptz, directory_version bigint,
                   directory text, allow_list_version bigint, allow_list text, law_version text,
                   allow_list_document text, bodies text, rules_version text, rules text
               )) WITH ORDINALITY AS w(number, entry_id, since, directory_version, directory,
                   allow_list_version, allow_list, law_version, allow_list_document, bodies,
                   rules_version, rules, place)
    ), kept AS (
        INSERT INTO decision_basis (
            number, entry_id, since, directory_version, directory, allow_list_version, allow_list,
            law_version, allow_list_document, bodies, rules_version, rules)
        SELECT number, entry_id, since, directory_version, directory, allow_list_version,
               allow_list, law_version, allow_list_document, bodies, rules_version, rules
          FROM wanted AS w
         WHERE w.number = (SELECT coalesce(max(b.number), 0) + 1 FROM decision_basis AS b)
           AND NOT EXISTS (SELECT FROM decision_basis AS b
                            WHERE b.rules_version = w.rules_version AND b.rules <> w.rules)
        ON CONFLICT (number) DO NOTHING
        RETURNING number
    )
    SELECT position FROM wanted JOIN kept USING (number)
$$;
