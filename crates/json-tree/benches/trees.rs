//! What is done to the object of a pod most often, with this tree and with serde_json's.
//!
//! `cargo bench -p json-tree`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use json_tree::Value;

fn main() {
    divan::main();
}

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"kubernetes.io/config.source":"api"},"creationTimestamp":"2026-03-02T08:00:00Z","generateName":"web-5d4f8c7b9-","labels":{"app":"web","pod-template-hash":"5d4f8c7b9","team":"shop"},"name":"web-5d4f8c7b9-x7k2p","namespace":"default","ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"ReplicaSet","name":"web-5d4f8c7b9","uid":"9c5b94b1-35ad-49bb-b118-8e8fc24abf80"}],"resourceVersion":"123456","uid":"7d5b94b1-35ad-49bb-b118-8e8fc24abf80"},"spec":{"containers":[{"image":"registry.example.org/shop/web:1.2.3","imagePullPolicy":"IfNotPresent","name":"web","readinessProbe":{"failureThreshold":3,"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"periodSeconds":10,"successThreshold":1,"timeoutSeconds":1},"resources":{"limits":{"memory":"512Mi"},"requests":{"cpu":"100m","memory":"512Mi"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","volumeMounts":[{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access","readOnly":true}]}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,"nodeName":"i-0a1b2c3d4e5f","preemptionPolicy":"PreemptLowerPriority","priority":0,"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"serviceAccount":"default","serviceAccountName":"default","terminationGracePeriodSeconds":30,"tolerations":[{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}]},"status":{"conditions":[{"lastTransitionTime":"2026-03-02T08:00:00Z","observedGeneration":1,"status":"True","type":"Initialized"},{"lastTransitionTime":"2026-03-02T08:00:03Z","observedGeneration":1,"status":"True","type":"Ready"},{"lastTransitionTime":"2026-03-02T08:00:03Z","observedGeneration":1,"status":"True","type":"ContainersReady"},{"lastTransitionTime":"2026-03-02T08:00:00Z","observedGeneration":1,"status":"True","type":"PodScheduled"}],"containerStatuses":[{"containerID":"containerd://0123456789abcdef","image":"registry.example.org/shop/web:1.2.3","lastState":{},"name":"web","ready":true,"restartCount":0,"started":true,"state":{"running":{"startedAt":"2026-03-02T08:00:02Z"}}}],"hostIP":"10.0.0.7","phase":"Running","podIP":"10.2.3.4","podIPs":[{"ip":"10.2.3.4"}],"qosClass":"Burstable","startTime":"2026-03-02T08:00:00Z"}}"#;

trait Tree: Clone + Send + Sync + serde::Serialize {
    fn read() -> Self;
    fn change(&mut self);
    fn look(&self) -> usize;
}

macro_rules! tree {
    ($name:ty) => {
        impl Tree for $name {
            fn read() -> Self {
                serde_json::from_str(POD).unwrap()
            }

            fn change(&mut self) {
                self["metadata"]["resourceVersion"] = "123457".into();
                self["status"]["phase"] = "Failed".into();
            }

            fn look(&self) -> usize {
                let paths = [
                    "/metadata/name",
                    "/metadata/namespace",
                    "/metadata/labels/app",
                    "/metadata/ownerReferences/0/uid",
                    "/spec/nodeName",
                    "/spec/containers/0/resources/requests/cpu",
                    "/spec/terminationGracePeriodSeconds",
                    "/status/phase",
                    "/status/conditions/1/status",
                    "/status/containerStatuses/0/state/running",
                ];
                paths.iter().filter(|path| self.pointer(path).is_some()).count()
            }
        }
    };
}

tree!(Value);
tree!(serde_json::Value);

#[divan::bench(types = [Value, serde_json::Value])]
fn read_and_drop<T: Tree>() -> usize {
    T::read().look()
}

#[divan::bench(types = [Value, serde_json::Value])]
fn copy_change_and_drop<T: Tree>(bencher: Bencher<'_, '_>) {
    let pod = T::read();
    bencher.bench_local(|| {
        let mut copy = black_box(&pod).clone();
        copy.change();
        copy
    });
}

#[divan::bench(types = [Value, serde_json::Value])]
fn look<T: Tree>(bencher: Bencher<'_, '_>) {
    let pod = T::read();
    bencher.bench_local(|| black_box(&pod).look());
}

#[divan::bench(types = [Value, serde_json::Value])]
fn write<T: Tree>(bencher: Bencher<'_, '_>) {
    let pod = T::read();
    bencher.bench_local(|| serde_json::to_vec(black_box(&pod)).unwrap());
}
