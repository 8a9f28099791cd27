-- The governed documents. Their versions are the files in documents/, named <id>@<version>.md.

INSERT INTO source_document (id, title, authority, lifecycle, owner, created_utc) VALUES
    ('ICX-CONST',   'The Constitution of Incomex', 'authoritative',     'enacted', 'sovereign', '2025-11-03T02:00:00Z'),
    ('ICX-BACKUP',  'Backup policy',               'authoritative',     'enacted', 'operator',  '2025-12-01T04:10:00Z'),
    ('ICX-SECRETS', 'Handling of secrets',         'authoritative',     'enacted', 'operator',  '2025-12-02T04:12:00Z'),
    ('ICX-ROLES',   'Roles of the governance database', 'authoritative', 'enacted', 'operator', '2026-01-09T07:45:00Z'),
    ('ICX-LEDGER',  'Ledger, version 2',           'authoritative',     'enacted', 'operator',  '2026-01-22T08:30:00Z'),
    ('ICX-HOSTS',   'Hosts',                       'authoritative',     'enacted', 'operator',  '2025-12-11T03:05:00Z'),
    ('ICX-GLOSS',   'Glossary of the cutter',      'non-authoritative', 'draft',   'operator',  '2026-02-16T06:20:00Z'),
    ('SBX-FIXTURE', 'Sandbox fixture',             'non-authoritative', 'draft',   'operator',  '2026-03-02T09:00:00Z');
