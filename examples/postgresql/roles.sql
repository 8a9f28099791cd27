-- The governed roles and what each may do. Run it after schema.sql, as a superuser, in the same database.

CREATE ROLE cutter_owner NOLOGIN;
CREATE ROLE cutter_guard NOLOGIN;
CREATE ROLE cutter_reader LOGIN;
CREATE ROLE cutter_writer LOGIN;
CREATE ROLE cutter_verifier LOGIN;
CREATE ROLE cutter_enactor LOGIN;
-- Who audits: may read, and nothing else.
CREATE ROLE cutter_auditor LOGIN;

ALTER SCHEMA cutter_governance OWNER TO cutter_owner;
GRANT USAGE ON SCHEMA cutter_governance
    TO cutter_guard, cutter_reader, cutter_writer, cutter_verifier, cutter_enactor, cutter_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA public, cutter_governance
    TO cutter_reader, cutter_writer, cutter_verifier, cutter_enactor, cutter_auditor;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA cutter_governance TO cutter_auditor;

GRANT INSERT ON public.information_unit, public.unit_version, cutter_governance.cut_change_set TO cutter_writer;
GRANT INSERT ON cutter_governance.verify_result TO cutter_verifier;
GRANT USAGE ON SEQUENCE cutter_governance.verify_result_id_seq TO cutter_verifier;
GRANT UPDATE (state) ON public.information_unit TO cutter_enactor;
GRANT INSERT ON cutter_governance.access_log TO cutter_reader, cutter_writer, cutter_verifier, cutter_enactor;
GRANT EXECUTE ON FUNCTION cutter_governance.execution_enabled() TO cutter_guard, cutter_writer;
