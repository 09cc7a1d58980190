//! The Cluster Registry: REST operations, access control, change feed.
