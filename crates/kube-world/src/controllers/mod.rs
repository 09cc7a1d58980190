//! The controllers of kube-controller-manager.

mod autoscaler;
mod budget;
mod cronjob;
mod daemonset;
mod deployment;
mod job;
mod replicaset;
mod statefulset;
mod support;
