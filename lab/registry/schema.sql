-- The embedded form of the governance registry. On PostgreSQL the ledger tables live in the schema cutter_governance;
-- here that schema is a prefix.

CREATE TABLE source_document (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    authority   TEXT NOT NULL CHECK (authority IN ('authoritative', 'non-authoritative')),
    lifecycle   TEXT NOT NULL CHECK (lifecycle IN ('draft', 'enacted', 'retired')),
    owner       TEXT NOT NULL,
    created_utc TEXT NOT NULL
);

CREATE TABLE source_version (
    document_id    TEXT NOT NULL REFERENCES source_document (id),
    version        INTEGER NOT NULL,
    content        TEXT NOT NULL,
    content_sha256 TEXT NOT NULL CHECK (length(content_sha256) = 64),
    recorded_utc   TEXT NOT NULL,
    PRIMARY KEY (document_id, version)
);

CREATE TABLE information_unit (
    id            TEXT PRIMARY KEY,
    document_id   TEXT NOT NULL REFERENCES source_document (id),
    address       TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('draft', 'enacted')),
    change_set_id TEXT NOT NULL,
    created_utc   TEXT NOT NULL
);

CREATE TABLE unit_version (
    unit_id     TEXT NOT NULL REFERENCES information_unit (id),
    version     INTEGER NOT NULL,
    body        TEXT NOT NULL,
    body_sha256 TEXT NOT NULL CHECK (length(body_sha256) = 64),
    created_utc TEXT NOT NULL,
    PRIMARY KEY (unit_id, version)
);

CREATE TABLE cutter_governance_cut_change_set (
    id         TEXT PRIMARY KEY,
    target_id  TEXT NOT NULL,
    run_id     TEXT,
    scope      TEXT NOT NULL CHECK (scope IN ('sandbox', 'deployed', 'live')),
    state      TEXT NOT NULL CHECK (state IN ('open', 'recorded', 'closed')),
    opened_utc TEXT NOT NULL
);

CREATE TABLE cutter_governance_manifest_envelope (
    change_set_id   TEXT PRIMARY KEY REFERENCES cutter_governance_cut_change_set (id),
    manifest_sha256 TEXT NOT NULL CHECK (length(manifest_sha256) = 64),
    units           INTEGER NOT NULL,
    sealed_utc      TEXT NOT NULL
);

CREATE TABLE cutter_governance_review_decision (
    id            TEXT PRIMARY KEY,
    change_set_id TEXT NOT NULL REFERENCES cutter_governance_cut_change_set (id),
    verdict       TEXT NOT NULL CHECK (verdict IN ('accept', 'reject')),
    reviewer      TEXT NOT NULL,
    decided_utc   TEXT NOT NULL
);

CREATE TABLE cutter_governance_verify_result (
    id              INTEGER PRIMARY KEY,
    change_set_id   TEXT NOT NULL REFERENCES cutter_governance_cut_change_set (id),
    outcome         TEXT NOT NULL CHECK (outcome IN ('PASS', 'FAIL')),
    units           INTEGER NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    verified_utc    TEXT NOT NULL
);

CREATE TABLE cutter_governance_dot_pair_signature (
    change_set_id TEXT PRIMARY KEY REFERENCES cutter_governance_cut_change_set (id),
    left_sha256   TEXT NOT NULL,
    right_sha256  TEXT NOT NULL,
    pair_sha256   TEXT NOT NULL
);

-- The database roles as the governance model wants them recorded.
CREATE TABLE principal (
    name      TEXT PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind IN ('owner', 'reader', 'writer', 'verifier', 'enactor', 'guard')),
    can_login INTEGER NOT NULL CHECK (can_login IN (0, 1)),
    superuser INTEGER NOT NULL CHECK (superuser IN (0, 1)),
    purpose   TEXT NOT NULL
);

CREATE TABLE grants (
    principal TEXT NOT NULL REFERENCES principal (name),
    object    TEXT NOT NULL,
    privilege TEXT NOT NULL CHECK (privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'EXECUTE')),
    PRIMARY KEY (principal, object, privilege)
);

CREATE TABLE decision (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('open', 'pinned', 'withdrawn')),
    principal   TEXT,
    decided_utc TEXT
);

-- What may be cut. A document that is not registered here cannot be named as a target.
CREATE TABLE target (
    id               TEXT PRIMARY KEY,
    title            TEXT NOT NULL,
    document_id      TEXT NOT NULL REFERENCES source_document (id),
    version          INTEGER NOT NULL,
    content_sha256   TEXT NOT NULL CHECK (length(content_sha256) = 64),
    units            INTEGER NOT NULL CHECK (units > 0),
    authority        TEXT NOT NULL CHECK (authority IN ('authoritative', 'non-authoritative')),
    lifecycle        TEXT NOT NULL CHECK (lifecycle IN ('draft', 'enacted', 'retired')),
    forbidden        INTEGER NOT NULL CHECK (forbidden IN (0, 1)),
    forbidden_reason TEXT,
    dry_run          TEXT NOT NULL CHECK (dry_run IN ('none', 'green', 'red')),
    open_change_set  TEXT REFERENCES cutter_governance_cut_change_set (id),
    registered_utc   TEXT NOT NULL
);
