//! Manifest loading by Kubernetes' rules (YAML 1.1), documents with positions, canonical form, field diff.
