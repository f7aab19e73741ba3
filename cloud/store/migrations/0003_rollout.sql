-- How a deployment's job spreads over its group. An execution that is not released is queued for
-- people and does not exist for its device.
ALTER TABLE job_executions ADD COLUMN is_released BIGINT NOT NULL DEFAULT 1;
ALTER TABLE job_executions ADD COLUMN times_out_at_s BIGINT;
CREATE INDEX job_executions_by_release
    ON job_executions (job_id, is_released, is_pending, queued_at_s, thing_name);
CREATE INDEX job_executions_by_timeout ON job_executions (is_pending, times_out_at_s);

-- Only jobs that have a pace, abort criteria or a timeout are here. due_at_s: when more
-- executions may be released; NULL when none waits.
CREATE TABLE job_rollouts (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES deployments (job_id),
    plan_json TEXT NOT NULL,
    progress_json TEXT NOT NULL,
    due_at_s BIGINT
);
CREATE INDEX job_rollouts_by_due ON job_rollouts (due_at_s);
