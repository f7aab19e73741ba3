-- Who may do what through the control plane. policy_json is an IAM policy; NULL is full access.
ALTER TABLE access_keys ADD COLUMN policy_json TEXT;
ALTER TABLE access_keys ADD COLUMN is_active BIGINT NOT NULL DEFAULT 1;

-- An implied role was made by a role alias that named it, not by CreateRole.
CREATE TABLE iam_roles (
    role_name TEXT NOT NULL PRIMARY KEY,
    role_id TEXT NOT NULL,
    path TEXT NOT NULL,
    trust_json TEXT NOT NULL,
    description TEXT,
    session_s BIGINT NOT NULL,
    is_implied BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE iam_role_policies (
    role_name TEXT NOT NULL REFERENCES iam_roles (role_name),
    policy_name TEXT NOT NULL,
    policy_json TEXT NOT NULL,
    PRIMARY KEY (role_name, policy_name)
);

CREATE TABLE iam_policies (
    policy_name TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL,
    path TEXT NOT NULL,
    description TEXT,
    policy_json TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The ARN is of a row of iam_policies, or of a policy that comes with the cloud.
CREATE TABLE iam_role_attachments (
    role_name TEXT NOT NULL REFERENCES iam_roles (role_name),
    policy_arn TEXT NOT NULL,
    PRIMARY KEY (role_name, policy_arn)
);
CREATE INDEX iam_role_attachments_by_policy ON iam_role_attachments (policy_arn);
