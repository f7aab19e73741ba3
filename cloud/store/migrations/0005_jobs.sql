-- Jobs that people make, beside those that carry deployments: an execution's job is in one of the
-- two tables, and its namespace says in which. The tables of executions and roll-outs are made
-- anew because SQLite cannot take back their reference to deployments.

-- request_json is the request without what has its own column, with later updates in it.
CREATE TABLE jobs (
    job_id TEXT NOT NULL PRIMARY KEY,
    namespace TEXT NOT NULL,
    target_selection TEXT NOT NULL,
    status TEXT NOT NULL,
    is_force_canceled BIGINT NOT NULL,
    reason_code TEXT,
    comment TEXT,
    request_json TEXT NOT NULL,
    document_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    completed_at BIGINT
);
CREATE INDEX jobs_by_age ON jobs (created_at, job_id);

CREATE TABLE job_targets (
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    target_arn TEXT NOT NULL,
    PRIMARY KEY (job_id, target_arn)
);
CREATE INDEX job_targets_by_target ON job_targets (target_arn);

-- limit_at_s: when the job's own time for an execution is over; times_out_at_s: when it is given
-- up, which a step timer may bring forward.
CREATE TABLE job_executions_new (
    job_id TEXT NOT NULL,
    thing_name TEXT NOT NULL,
    namespace TEXT NOT NULL,
    execution_number BIGINT NOT NULL,
    status TEXT NOT NULL,
    is_pending BIGINT NOT NULL,
    is_released BIGINT NOT NULL,
    is_force_canceled BIGINT NOT NULL,
    failed_attempts BIGINT NOT NULL,
    timed_out_attempts BIGINT NOT NULL,
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    queued_at_s BIGINT NOT NULL,
    started_at_s BIGINT,
    updated_at_s BIGINT NOT NULL,
    limit_at_s BIGINT,
    times_out_at_s BIGINT,
    PRIMARY KEY (job_id, thing_name)
);
INSERT INTO job_executions_new (job_id, thing_name, namespace, execution_number, status,
    is_pending, is_released, is_force_canceled, failed_attempts, timed_out_attempts, details_json,
    version, queued_at_s, started_at_s, updated_at_s, limit_at_s, times_out_at_s)
SELECT job_id, thing_name, 'aws-gg-deployment', execution_number, status, is_pending, is_released,
    0, 0, 0, details_json, version, queued_at_s, started_at_s, updated_at_s, times_out_at_s,
    times_out_at_s
FROM job_executions;
DROP TABLE job_executions;
ALTER TABLE job_executions_new RENAME TO job_executions;
CREATE INDEX job_executions_by_thing ON job_executions (thing_name, is_pending, queued_at_s);
CREATE INDEX job_executions_by_release
    ON job_executions (job_id, is_released, is_pending, queued_at_s, thing_name);
CREATE INDEX job_executions_by_timeout ON job_executions (is_pending, times_out_at_s);

CREATE TABLE job_rollouts_new (
    job_id TEXT NOT NULL PRIMARY KEY,
    plan_json TEXT NOT NULL,
    progress_json TEXT NOT NULL,
    due_at_s BIGINT
);
INSERT INTO job_rollouts_new (job_id, plan_json, progress_json, due_at_s)
SELECT job_id, plan_json, progress_json, due_at_s FROM job_rollouts;
DROP TABLE job_rollouts;
ALTER TABLE job_rollouts_new RENAME TO job_rollouts;
CREATE INDEX job_rollouts_by_due ON job_rollouts (due_at_s);
