-- What the device gateway's broker keeps over a restart. expires_at_ms: NULL while the client is
-- connected.
CREATE TABLE mqtt_sessions (
    client_id TEXT NOT NULL PRIMARY KEY,
    expiry_s BIGINT NOT NULL,
    expires_at_ms BIGINT
);

CREATE TABLE mqtt_subscriptions (
    client_id TEXT NOT NULL REFERENCES mqtt_sessions (client_id),
    filter TEXT NOT NULL,
    options_json TEXT NOT NULL,
    PRIMARY KEY (client_id, filter)
);

CREATE TABLE mqtt_queues (
    client_id TEXT NOT NULL REFERENCES mqtt_sessions (client_id),
    position BIGINT NOT NULL,
    message_json TEXT NOT NULL,
    PRIMARY KEY (client_id, position)
);

CREATE TABLE mqtt_retained (
    topic TEXT NOT NULL PRIMARY KEY,
    message_json TEXT NOT NULL,
    modified_at_ms BIGINT NOT NULL
);
