CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    cost_center TEXT NOT NULL,
    environment TEXT NOT NULL,
    criticality_level BIGINT NOT NULL,
    external_id TEXT NOT NULL,
    lifecycle_status TEXT NOT NULL,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- No foreign key to accounts: a file registry may have clusters only. `local_key` is a SHA-256 of account, region and
-- local id, which are unique together but may be too long for an index.
CREATE TABLE clusters (
    id TEXT NOT NULL PRIMARY KEY,
    alias TEXT NOT NULL UNIQUE,
    infrastructure_account TEXT NOT NULL,
    region TEXT NOT NULL,
    local_id TEXT NOT NULL,
    local_key TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    api_server_url TEXT NOT NULL,
    channel TEXT NOT NULL,
    environment TEXT NOT NULL,
    criticality_level BIGINT NOT NULL,
    lifecycle_status TEXT NOT NULL,
    status TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX clusters_by_account ON clusters (infrastructure_account);
CREATE INDEX clusters_by_lifecycle ON clusters (lifecycle_status);
-- Only a beginning is indexed: an index entry of PostgreSQL holds less than these fields may.
CREATE INDEX clusters_by_channel ON clusters (substr(channel, 1, 64));
CREATE INDEX clusters_by_environment ON clusters (substr(environment, 1, 64));

-- Apart from their cluster, so that a new status does not write them again.
CREATE TABLE cluster_documents (
    cluster_id TEXT NOT NULL PRIMARY KEY REFERENCES clusters (id) ON DELETE CASCADE,
    config_items TEXT NOT NULL,
    node_pools TEXT NOT NULL
);

-- Change feed, audit record and history at once; rows are only ever added.
CREATE TABLE changes (
    sequence BIGINT NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    action TEXT NOT NULL,
    revision BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX changes_by_object ON changes (kind, object_id, sequence);

-- One row: the last number given. Every write locks it first, so the feed is in the order of commits.
CREATE TABLE feed (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    sequence BIGINT NOT NULL
);
INSERT INTO feed (id, sequence) VALUES (1, 0);

-- A row stays after the release of its lease, so that tokens never repeat.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT,
    token BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
