//! A cluster that begins in the middle of its life stays as it begins: nothing is made, moved or ended.

use twin::{ClusterSpec, PoolSpec, Profile};

use crate::support::Lab;

fn cluster(profile: Profile) -> ClusterSpec {
    ClusterSpec::new("kube-1")
        .pool(PoolSpec::new("workers", 6))
        .profile(profile)
}

fn names(lab: &Lab, group: &str, resource: &str) -> Vec<String> {
    let all = lab.fleet.clusters()[0].server().read_all(group, resource, "");
    all.iter()
        .map(|object| format!("{} on {}", object["metadata"]["name"], object["spec"]["nodeName"]))
        .collect()
}

#[tokio::test]
async fn settled_profiles_stay_as_they_are() {
    for profile in Profile::ALL {
        let mut lab = Lab::new(3, [cluster(profile)]).await;
        let watched = [
            ("", "pods"),
            ("apps", "replicasets"),
            ("apps", "controllerrevisions"),
            ("", "persistentvolumes"),
        ];
        let before = watched.map(|(group, resource)| names(&lab, group, resource));
        lab.pass(50).await;
        let after = watched.map(|(group, resource)| names(&lab, group, resource));
        assert_eq!(before, after, "{profile}");
        let running = |pod: &json_tree::Value| pod["status"]["phase"] == "Running";
        let pods = lab.fleet.clusters()[0].server().read_all("", "pods", "");
        let all = pods.len();
        assert!(all > 40, "{profile} has {all} pods");
        assert_eq!(pods.iter().filter(|pod| running(pod)).count(), all, "{profile}");
        for resource in ["deployments", "statefulsets"] {
            for object in lab.fleet.clusters()[0].server().read_all("apps", resource, "") {
                let ready = object["status"]["readyReplicas"].as_i64().unwrap_or(0);
                let never = object["metadata"]["name"] == "never-ready";
                let wanted = if never {
                    0
                } else {
                    object["spec"]["replicas"].as_i64().unwrap()
                };
                assert_eq!(ready, wanted, "{profile}: {}", object["metadata"]["name"]);
            }
        }
        for budget in lab.fleet.clusters()[0]
            .server()
            .read_all("policy", "poddisruptionbudgets", "")
        {
            let status = &budget["status"];
            assert!(status["expectedPods"].as_i64().unwrap() > 0, "{profile}: {budget}");
            assert_eq!(status["observedGeneration"], budget["metadata"]["generation"]);
        }
    }
}
