-- The governed tables, in one database. Run it as a superuser in a new database: psql -v ON_ERROR_STOP=1 -f schema.sql

CREATE SCHEMA cutter_governance;

CREATE TABLE public.source_document (
    id          text PRIMARY KEY,
    title       text NOT NULL,
    authority   text NOT NULL CHECK (authority IN ('authoritative', 'non-authoritative')),
    lifecycle   text NOT NULL CHECK (lifecycle IN ('draft', 'enacted', 'retired'))
);

CREATE TABLE public.source_version (
    document_id    text NOT NULL REFERENCES public.source_document (id),
    version        integer NOT NULL,
    content        text NOT NULL,
    content_sha256 text NOT NULL CHECK (length(content_sha256) = 64),
    PRIMARY KEY (document_id, version)
);

CREATE TABLE public.information_unit (
    id            text PRIMARY KEY,
    document_id   text NOT NULL REFERENCES public.source_document (id),
    state         text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'enacted')),
    change_set_id text NOT NULL
);

CREATE TABLE public.unit_version (
    unit_id text NOT NULL REFERENCES public.information_unit (id),
    version integer NOT NULL,
    body    text NOT NULL,
    PRIMARY KEY (unit_id, version)
);

CREATE TABLE cutter_governance.cut_change_set (
    id         text PRIMARY KEY,
    target_id  text NOT NULL,
    scope      text NOT NULL CHECK (scope IN ('sandbox', 'deployed', 'live')),
    state      text NOT NULL CHECK (state IN ('open', 'recorded', 'closed')),
    opened_utc timestamptz NOT NULL
);

CREATE TABLE cutter_governance.verify_result (
    id            bigserial PRIMARY KEY,
    change_set_id text NOT NULL REFERENCES cutter_governance.cut_change_set (id),
    outcome       text NOT NULL CHECK (outcome IN ('PASS', 'FAIL'))
);

-- Everybody who looks at a document leaves a line here, also while nothing is cut.
CREATE TABLE cutter_governance.access_log (
    at   timestamptz NOT NULL DEFAULT now(),
    who  text NOT NULL DEFAULT session_user,
    what text NOT NULL
);

CREATE TABLE public.decision (
    id          text PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('open', 'pinned', 'withdrawn')),
    principal   text,
    expires_utc timestamptz
);

CREATE TABLE public.target (
    id               text PRIMARY KEY,
    title            text NOT NULL,
    document_id      text NOT NULL REFERENCES public.source_document (id),
    version          integer NOT NULL,
    content_sha256   text NOT NULL CHECK (length(content_sha256) = 64),
    units            integer NOT NULL CHECK (units > 0),
    authority        text NOT NULL CHECK (authority IN ('authoritative', 'non-authoritative')),
    lifecycle        text NOT NULL CHECK (lifecycle IN ('draft', 'enacted', 'retired')),
    forbidden        boolean NOT NULL,
    forbidden_reason text,
    dry_run          text NOT NULL CHECK (dry_run IN ('none', 'green', 'red')),
    open_change_set  text REFERENCES cutter_governance.cut_change_set (id)
);

-- The switch, and what keeps an enacted unit as it is.
CREATE FUNCTION cutter_governance.execution_enabled() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';

CREATE FUNCTION cutter_governance.keep_enacted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'enacted' THEN
        RAISE EXCEPTION 'the unit % is enacted', OLD.id;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_enacted BEFORE UPDATE ON public.information_unit
    FOR EACH ROW EXECUTE FUNCTION cutter_governance.keep_enacted();

REVOKE EXECUTE ON FUNCTION cutter_governance.execution_enabled(), cutter_governance.keep_enacted() FROM PUBLIC;

-- Two documents, one of which may be cut.
INSERT INTO public.source_document VALUES
    ('ICX-CONST', 'Constitution', 'authoritative', 'enacted'),
    ('ICX-GLOSS', 'Glossary', 'non-authoritative', 'draft');
INSERT INTO public.source_version
    SELECT v.id, v.version, v.content, encode(sha256(convert_to(v.content, 'UTF8')), 'hex')
    FROM (VALUES ('ICX-CONST', 7, 'We, the units'), ('ICX-GLOSS', 2, 'unit: what can be addressed')) v (id, version, content);
-- An audit's own instant is a whole second: what was opened within it must not seem to lie ahead.
INSERT INTO cutter_governance.cut_change_set VALUES ('CCS-GLOSS', 'ICX-GLOSS', 'live', 'open', date_trunc('second', now()));
INSERT INTO public.target
    SELECT v.document_id, d.title, v.document_id, v.version, v.content_sha256, 1, d.authority, d.lifecycle,
        v.document_id = 'ICX-CONST', CASE v.document_id WHEN 'ICX-CONST' THEN 'the Constitution is not cut by a machine' END,
        'green', CASE v.document_id WHEN 'ICX-GLOSS' THEN 'CCS-GLOSS' END
    FROM public.source_version v JOIN public.source_document d ON d.id = v.document_id;
INSERT INTO public.decision VALUES ('DQ_4', 'open', NULL, NULL);
