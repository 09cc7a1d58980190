//! Kubernetes patch semantics: JSON, merge, strategic merge and server-side apply; managed fields; structural schemas.
