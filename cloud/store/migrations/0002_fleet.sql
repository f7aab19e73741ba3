-- What the fleet knows: components, deployments, job executions, shadows, core devices.
-- Times are milliseconds since 1970 unless the name says otherwise; *_json columns hold JSON text.

-- Answers to requests that carried a client token, so that a repetition gets the same one.
CREATE TABLE client_tokens (
    operation TEXT NOT NULL,
    token TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    response_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (operation, token)
);
CREATE INDEX client_tokens_by_age ON client_tokens (created_at);

-- Scope is PRIVATE (the account's own) or PUBLIC (comes with the cloud).
CREATE TABLE component_versions (
    scope TEXT NOT NULL,
    component_name TEXT NOT NULL,
    version TEXT NOT NULL,
    recipe_json TEXT NOT NULL,
    uploaded_format TEXT NOT NULL,
    state TEXT NOT NULL,
    errors_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (scope, component_name, version)
);

-- The service's own copies of private components' artifacts: greengrass:{artifact_id}/{file_name}.
CREATE TABLE component_artifacts (
    artifact_id TEXT NOT NULL PRIMARY KEY,
    component_name TEXT NOT NULL,
    version TEXT NOT NULL,
    file_name TEXT NOT NULL,
    uri TEXT NOT NULL
);
CREATE INDEX component_artifacts_by_component ON component_artifacts (component_name, version);

-- Revisions of a target are counted here, so that a deleted deployment's number is not reused.
CREATE TABLE deployment_targets (
    target_arn TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);

-- Deleted deployments stay, flagged: devices still have what they brought.
CREATE TABLE deployments (
    deployment_id TEXT NOT NULL PRIMARY KEY,
    target_arn TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment_name TEXT,
    status TEXT NOT NULL,
    parent_target_arn TEXT,
    job_id TEXT UNIQUE,
    request_json TEXT NOT NULL,
    document_json TEXT NOT NULL,
    is_latest BIGINT NOT NULL,
    is_deleted BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (target_arn, revision)
);
CREATE INDEX deployments_by_age ON deployments (created_at, deployment_id);
CREATE INDEX deployments_by_parent ON deployments (parent_target_arn);

-- One per deployment and thing; queued_at_s is in seconds and grows strictly per thing.
CREATE TABLE job_executions (
    job_id TEXT NOT NULL REFERENCES deployments (job_id),
    thing_name TEXT NOT NULL,
    execution_number BIGINT NOT NULL,
    status TEXT NOT NULL,
    is_pending BIGINT NOT NULL,
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    queued_at_s BIGINT NOT NULL,
    started_at_s BIGINT,
    updated_at_s BIGINT NOT NULL,
    PRIMARY KEY (job_id, thing_name)
);
CREATE INDEX job_executions_by_thing ON job_executions (thing_name, is_pending, queued_at_s);

-- The last queued_at_s given to a thing.
CREATE TABLE job_queues (
    thing_name TEXT NOT NULL PRIMARY KEY,
    queued_at_s BIGINT NOT NULL
);

-- The classic shadow has the name ''. A deleted shadow stays, without document.
CREATE TABLE shadows (
    thing_name TEXT NOT NULL,
    shadow_name TEXT NOT NULL,
    version BIGINT NOT NULL,
    document_json TEXT,
    PRIMARY KEY (thing_name, shadow_name)
);

CREATE TABLE core_devices (
    thing_name TEXT NOT NULL PRIMARY KEY,
    core_version TEXT NOT NULL,
    platform TEXT NOT NULL,
    architecture TEXT NOT NULL,
    runtime TEXT NOT NULL,
    status TEXT NOT NULL,
    sequence_number BIGINT NOT NULL,
    reported_at BIGINT NOT NULL
);

CREATE TABLE installed_components (
    thing_name TEXT NOT NULL REFERENCES core_devices (thing_name) ON DELETE CASCADE,
    component_name TEXT NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    details TEXT,
    status_codes_json TEXT NOT NULL,
    is_root BIGINT NOT NULL,
    source TEXT,
    changed_at BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (thing_name, component_name)
);

-- Parts of a status message that came in several, until all are there.
CREATE TABLE status_chunks (
    thing_name TEXT NOT NULL,
    sequence_number BIGINT NOT NULL,
    chunk_id BIGINT NOT NULL,
    payload TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (thing_name, sequence_number, chunk_id)
);
CREATE INDEX status_chunks_by_age ON status_chunks (received_at);

CREATE TABLE effective_deployments (
    thing_name TEXT NOT NULL,
    deployment_id TEXT NOT NULL REFERENCES deployments (deployment_id),
    status TEXT NOT NULL,
    reason TEXT,
    error_stack_json TEXT NOT NULL,
    error_types_json TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (thing_name, deployment_id)
);
CREATE INDEX effective_deployments_by_age
    ON effective_deployments (thing_name, modified_at, deployment_id);
