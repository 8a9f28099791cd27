-- Roles, grants, decisions and the one registered target.

UPDATE source_version SET recorded_utc = '2026-04-27T05:31:00Z' WHERE document_id = 'ICX-CONST' AND version = 7;
UPDATE source_version SET recorded_utc = '2026-01-30T04:10:00Z' WHERE document_id = 'ICX-BACKUP' AND version = 3;
UPDATE source_version SET recorded_utc = '2026-03-05T04:10:00Z' WHERE document_id = 'ICX-SECRETS' AND version = 2;
UPDATE source_version SET recorded_utc = '2026-05-08T04:10:00Z' WHERE document_id = 'ICX-GLOSS' AND version = 2;
UPDATE source_version SET recorded_utc = '2026-05-11T04:10:00Z' WHERE document_id = 'ICX-HOSTS' AND version = 5;

INSERT INTO principal (name, kind, can_login, superuser, purpose) VALUES
    ('cutter_owner',    'owner',    0, 0, 'owns the schema'),
    ('cutter_reader',   'reader',   1, 0, 'reads everything that is governed'),
    ('cutter_writer',   'writer',   1, 0, 'inserts units, versions and ledger rows'),
    ('cutter_verifier', 'verifier', 1, 0, 'inserts results of verification'),
    ('cutter_enactor',  'enactor',  1, 0, 'moves drafts to enacted'),
    ('cutter_guard',    'guard',    1, 0, 'may turn the execution switch');

INSERT INTO grants (principal, object, privilege)
    SELECT p.name, t.name, 'SELECT' FROM principal p, sqlite_schema t
    WHERE t.type = 'table' AND p.kind IN ('reader', 'writer', 'verifier', 'enactor')
        AND (t.name IN ('information_unit', 'unit_version', 'source_document', 'source_version', 'target', 'decision')
            OR t.name LIKE 'cutter\_governance\_%' ESCAPE '\');

INSERT INTO grants (principal, object, privilege) VALUES
    ('cutter_writer',   'information_unit',                       'INSERT'),
    ('cutter_writer',   'unit_version',                           'INSERT'),
    ('cutter_writer',   'cutter_governance_cut_change_set',       'INSERT'),
    ('cutter_writer',   'cutter_governance_manifest_envelope',    'INSERT'),
    ('cutter_writer',   'cutter_governance_review_decision',      'INSERT'),
    ('cutter_writer',   'cutter_governance_dot_pair_signature',   'INSERT'),
    ('cutter_verifier', 'cutter_governance_verify_result',        'INSERT'),
    ('cutter_enactor',  'information_unit',                       'UPDATE'),
    ('cutter_guard',    'execution_switch',                       'EXECUTE'),
    ('cutter_guard',    'decision',                               'SELECT');

INSERT INTO decision (id, title, status, principal, decided_utc) VALUES
    ('DQ_1', 'Which database holds the ledger',        'pinned', 'operator', '2026-02-19T03:00:00Z'),
    ('DQ_2', 'How a unit is addressed',                'pinned', 'operator', '2026-02-19T03:20:00Z'),
    ('DQ_3', 'Who reviews a cut',                      'pinned', 'operator', '2026-03-26T08:00:00Z'),
    ('DQ_4', 'Who is the governance principal',        'open',   NULL,       NULL),
    ('DQ_5', 'How long an approval lives',             'pinned', 'sovereign', '2026-04-23T02:15:00Z');

INSERT INTO target (id, title, document_id, version, content_sha256, units, authority, lifecycle, forbidden,
        forbidden_reason, dry_run, open_change_set, registered_utc)
    SELECT 'ICX-CONST', d.title, d.id, v.version, v.content_sha256, 312, d.authority, d.lifecycle, 1,
        'the Constitution is not cut by a machine', 'green', NULL, '2026-05-12T04:02:00Z'
    FROM source_document d JOIN source_version v ON v.document_id = d.id
    WHERE d.id = 'ICX-CONST' AND v.version = 7;
