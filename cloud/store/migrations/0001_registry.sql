-- What the registry knows: settings, keys, things, groups, certificates, policies, role aliases.
-- Times are milliseconds since 1970; *_json columns hold JSON text; sealed_* columns hold base64
-- of secrets encrypted with the data directory's key.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE access_keys (
    access_key_id TEXT NOT NULL PRIMARY KEY,
    principal TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Credentials given to devices for a role alias.
CREATE TABLE sessions (
    access_key_id TEXT NOT NULL PRIMARY KEY,
    sealed_secret TEXT NOT NULL,
    sealed_token TEXT NOT NULL,
    role_alias TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    thing_name TEXT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE things (
    thing_name TEXT NOT NULL PRIMARY KEY,
    thing_id TEXT NOT NULL UNIQUE,
    attributes_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE thing_groups (
    group_name TEXT NOT NULL PRIMARY KEY,
    group_id TEXT NOT NULL UNIQUE,
    parent_name TEXT REFERENCES thing_groups (group_name),
    description TEXT,
    attributes_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX thing_groups_by_parent ON thing_groups (parent_name);

CREATE TABLE memberships (
    group_name TEXT NOT NULL REFERENCES thing_groups (group_name) ON DELETE CASCADE,
    thing_name TEXT NOT NULL REFERENCES things (thing_name) ON DELETE CASCADE,
    PRIMARY KEY (group_name, thing_name)
);
CREATE INDEX memberships_by_thing ON memberships (thing_name);

CREATE TABLE certificates (
    certificate_id TEXT NOT NULL PRIMARY KEY,
    pem TEXT NOT NULL,
    status TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);
CREATE INDEX certificates_by_age ON certificates (created_at, certificate_id);

CREATE TABLE policies (
    policy_name TEXT NOT NULL PRIMARY KEY,
    generation_id TEXT NOT NULL,
    default_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE policy_versions (
    policy_name TEXT NOT NULL REFERENCES policies (policy_name) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (policy_name, version)
);

-- A target is the ARN of a certificate or of a thing group.
CREATE TABLE policy_attachments (
    policy_name TEXT NOT NULL REFERENCES policies (policy_name),
    target TEXT NOT NULL,
    PRIMARY KEY (policy_name, target)
);
CREATE INDEX policy_attachments_by_target ON policy_attachments (target);

CREATE TABLE thing_principals (
    thing_name TEXT NOT NULL REFERENCES things (thing_name),
    certificate_id TEXT NOT NULL REFERENCES certificates (certificate_id),
    PRIMARY KEY (thing_name, certificate_id)
);
CREATE INDEX thing_principals_by_certificate ON thing_principals (certificate_id);

CREATE TABLE role_aliases (
    role_alias TEXT NOT NULL PRIMARY KEY,
    role_arn TEXT NOT NULL,
    duration_s BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE tags (
    resource_arn TEXT NOT NULL,
    tag_key TEXT NOT NULL,
    tag_value TEXT NOT NULL,
    PRIMARY KEY (resource_arn, tag_key)
);
