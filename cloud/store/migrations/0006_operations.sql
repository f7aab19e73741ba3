-- Thing types, provisioning templates, client devices of core devices, and who is connected. Times are milliseconds since 1970; *_json columns hold JSON text.

CREATE TABLE thing_types (
    type_name TEXT NOT NULL PRIMARY KEY,
    type_id TEXT NOT NULL UNIQUE,
    properties_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deprecated_at BIGINT
);
ALTER TABLE things ADD COLUMN type_name TEXT REFERENCES thing_types (type_name);
CREATE INDEX things_by_type ON things (type_name, thing_name);

-- DEFAULT, or SNI_ONLY for one that was registered without its authority.
ALTER TABLE certificates ADD COLUMN mode TEXT NOT NULL DEFAULT 'DEFAULT';

-- The highest version ever given: numbers of deleted versions are not given again.
ALTER TABLE policies ADD COLUMN last_version BIGINT NOT NULL DEFAULT 1;

CREATE TABLE provisioning_templates (
    template_name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    description TEXT,
    is_enabled BIGINT NOT NULL,
    role_arn TEXT NOT NULL,
    hook_json TEXT,
    default_version BIGINT NOT NULL,
    last_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

CREATE TABLE provisioning_template_versions (
    template_name TEXT NOT NULL
        REFERENCES provisioning_templates (template_name) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (template_name, version)
);

-- Which template a claim certificate was made for. It may be gone: its claims end with their time.
CREATE TABLE provisioning_claims (
    certificate_id TEXT NOT NULL PRIMARY KEY
        REFERENCES certificates (certificate_id) ON DELETE CASCADE,
    template_name TEXT NOT NULL
);
CREATE INDEX provisioning_claims_by_template ON provisioning_claims (template_name);

-- Which client devices may find and use a core device.
CREATE TABLE client_devices (
    core_name TEXT NOT NULL REFERENCES things (thing_name) ON DELETE CASCADE,
    thing_name TEXT NOT NULL REFERENCES things (thing_name) ON DELETE CASCADE,
    associated_at BIGINT NOT NULL,
    PRIMARY KEY (core_name, thing_name)
);
CREATE INDEX client_devices_by_thing ON client_devices (thing_name);

-- Where client devices reach a core device.
CREATE TABLE connectivity (
    thing_name TEXT NOT NULL PRIMARY KEY REFERENCES things (thing_name) ON DELETE CASCADE,
    version TEXT NOT NULL,
    addresses_json TEXT NOT NULL
);

-- The MQTT connection whose client id is the thing's name: as it is, or as it ended.
CREATE TABLE presence (
    thing_name TEXT NOT NULL PRIMARY KEY REFERENCES things (thing_name) ON DELETE CASCADE,
    is_connected BIGINT NOT NULL,
    since BIGINT NOT NULL,
    reason TEXT
);
CREATE INDEX presence_by_state ON presence (is_connected);
