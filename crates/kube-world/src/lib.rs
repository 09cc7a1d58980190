//! Controllers, a scheduler and kubelets around the Kubernetes API in memory.
