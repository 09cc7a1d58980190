//! Cluster + configuration tree + facts to the desired state of a cluster.
