-- Every transition of a job, and every write to a step, in the order in which they became true: a job's row is
-- locked while one of its rows is written, so ids never lie about the order within a job. Rows of one statement
-- share their xid and have no order among themselves.
CREATE TABLE audit (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    since timestamptz NOT NULL DEFAULT now(), -- when its transaction began
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    writer text NOT NULL DEFAULT session_user, -- each process logs in under a name of its own
    job_id bigint NOT NULL,
    step smallint,      -- NULL: a transition of the job itself
    before text,        -- the status; NULL: there was no row
    after text,         -- NULL: the row is gone
    attempt_before int, -- of a job: how often it had been claimed
    attempt int,
    due timestamptz     -- of a job that is made
);
CREATE INDEX ON audit (job_id, id);
-- What clients know. A pause is from its answer until it is asked to end; a call is the job that tells an address.
CREATE TABLE accepted (job_id bigint PRIMARY KEY, cancel_asked boolean NOT NULL);
CREATE TABLE rolled_back (task_id uuid PRIMARY KEY);
CREATE TABLE paused (kind text, name text, since timestamptz, until timestamptz);
CREATE TABLE told (call_id bigint, job_id bigint, status text);

CREATE VIEW transitions AS SELECT * FROM audit WHERE step IS NULL;
CREATE VIEW claims AS SELECT * FROM transitions WHERE attempt > attempt_before;
CREATE VIEW step_writes AS SELECT * FROM audit WHERE step IS NOT NULL;
CREATE FUNCTION has_ended(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT status IN ('COMPLETED', 'FAILED', 'CANCELLED')
$$;

CREATE FUNCTION audit_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit (job_id, after, attempt, due) VALUES (NEW.id, NEW.status, NEW.attempt, NEW.run_at);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit (job_id, before, attempt_before) VALUES (OLD.id, OLD.status, OLD.attempt);
    ELSIF (NEW.status, NEW.attempt) IS DISTINCT FROM (OLD.status, OLD.attempt) THEN
        INSERT INTO audit (job_id, before, after, attempt_before, attempt)
        VALUES (NEW.id, OLD.status, NEW.status, OLD.attempt, NEW.attempt);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit (job_id, step, after, attempt)
        VALUES (NEW.job_id, NEW.step_number, NEW.status, NEW.attempt);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit (job_id, step, before, attempt_before)
        VALUES (OLD.job_id, OLD.step_number, OLD.status, OLD.attempt);
    ELSE
        INSERT INTO audit (job_id, step, before, after, attempt_before, attempt)
        VALUES (NEW.job_id, NEW.step_number, OLD.status, NEW.status, OLD.attempt, NEW.attempt);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION audit_job();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON job_steps FOR EACH ROW EXECUTE FUNCTION audit_step();
