-- Blocks, updates, approvals, evidence: documents by kind. No foreign key: what is told of a cluster outlives it.
CREATE TABLE entries (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    cluster_id TEXT COLLATE "C",
    open BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX entries_by_time ON entries (kind, created_at, id);
CREATE INDEX entries_by_cluster ON entries (cluster_id, kind, created_at, id);
CREATE INDEX entries_open ON entries (kind, open, created_at, id);
