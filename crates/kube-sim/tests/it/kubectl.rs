//! A session with the installed kubectl.

use std::process::Stdio;
use std::time::Duration;

use kube_sim::{ApiServer, serve};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::support::*;

/// kubectl with a folder of its own, beside a server that it talks to.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    server: ApiServer,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Session {
    /// Serves a server and points kubectl at it; none where kubectl is not installed.
    pub(crate) async fn with(server: ApiServer) -> Option<Self> {
        let version = std::process::Command::new("kubectl")
            .args(["version", "--client"])
            .output();
        if version.is_err() {
            println!("kubectl is not installed: this test passes over it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sim\nusers: [{{name: sim, user: {{}}}}]\nclusters: [{{name: sim, cluster: {{server: \"http://{address}\"}}}}]\ncontexts: [{{name: sim, context: {{cluster: sim, user: sim}}}}]\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        let serving = tokio::spawn(serve(server.clone(), listener, None, std::future::pending()));
        Some(Self {
            folder,
            server,
            serving,
        })
    }

    /// The server that kubectl talks to.
    pub(crate) fn server(&self) -> &ApiServer {
        &self.server
    }

    async fn raw(&self, arguments: &str, input: &str) -> (i32, String) {
        let mut child = Command::new("kubectl")
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", self.folder.path().join("config"))
            .env("HOME", self.folder.path())
            .env("KUBE_EDITOR", "sed -i s/nginx:3/nginx:4/")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let done = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        (done.status.code().unwrap_or(-1), text)
    }

    /// Runs a command and holds it to an exit code and to parts of its output.
    pub(crate) async fn run(&self, arguments: &str, input: &str, code: i32, parts: &[&str]) -> String {
        let (found, text) = self.raw(arguments, input).await;
        assert_eq!(found, code, "kubectl {arguments}: {text}");
        for part in parts {
            assert!(text.contains(part), "kubectl {arguments}: {part:?} is not in: {text}");
        }
        text
    }
}

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: 'nginx:1', ports: [{containerPort: 80}]}
";

#[tokio::test]
async fn a_session_goes_as_with_a_real_cluster() {
    let Some(session) = Session::with(server()).await else {
        return;
    };
    workloads(&session).await;
    reading(&session).await;
    changing(&session).await;
    custom(&session).await;
    ending(&session).await;
}

async fn workloads(session: &Session) {
    session
        .run("apply -f -", WEB, 0, &["deployment.apps/web created"])
        .await;
    session
        .run("apply -f -", WEB, 0, &["deployment.apps/web unchanged"])
        .await;
    let changed = WEB.replace("nginx:1", "nginx:2");
    session.run("diff -f -", &changed, 1, &["nginx:2"]).await;
    session
        .run("apply -f -", &changed, 0, &["deployment.apps/web configured"])
        .await;
    session
        .run(
            // Another manager: kubectl's own may take over what it has applied from the client's side.
            "apply --server-side --field-manager=other -f -",
            &WEB.replace("replicas: 2", "replicas: 7"),
            1,
            &["conflict", ".spec.replicas"],
        )
        .await;
    session
        .run(
            "apply --server-side --force-conflicts -f -",
            &changed,
            0,
            &["deployment.apps/web serverside-applied"],
        )
        .await;
    session
        .run(
            "apply -f -",
            &WEB.replace("replicas: 2", "replicsa: 2"),
            1,
            &["unknown field \"spec.replicsa\""],
        )
        .await;
    session.run("create -f -", WEB, 1, &["AlreadyExists"]).await;
    session
        .run(
            "create configmap cm --from-literal=a=b",
            "",
            0,
            &["configmap/cm created"],
        )
        .await;
    session
        .run("create namespace other", "", 0, &["namespace/other created"])
        .await;
    session
        .run(
            "create deployment made --image=x:1",
            "",
            0,
            &["deployment.apps/made created"],
        )
        .await;
    session
        .run("run lone --image=nginx:1", "", 0, &["pod/lone created"])
        .await;
    session
        .run("expose deployment web --port=80", "", 0, &["service/web exposed"])
        .await;
}

async fn reading(session: &Session) {
    session
        .run("get deployments", "", 0, &["NAME", "READY", "UP-TO-DATE", "web", "0/2"])
        .await;
    session
        .run(
            "get deploy web -o wide",
            "",
            0,
            &["CONTAINERS", "IMAGES", "nginx:2", "app=web"],
        )
        .await;
    session
        .run("get deploy web -o yaml", "", 0, &["kind: Deployment", "image: nginx:2"])
        .await;
    session
        .run("get deploy web -o json", "", 0, &["\"kind\": \"Deployment\""])
        .await;
    session.run("get deploy -o name", "", 0, &["deployment.apps/web"]).await;
    session
        .run("get deploy web -o jsonpath={.spec.replicas}", "", 0, &["2"])
        .await;
    session
        .run("get deploy web -o custom-columns=N:.metadata.name", "", 0, &["N\nweb"])
        .await;
    session
        .run("get pods", "", 0, &["NAME", "RESTARTS", "lone", "0/1", "Pending"])
        .await;
    session.run("get pods -l run=lone", "", 0, &["lone"]).await;
    session
        .run("get pods -l run!=lone", "", 0, &["No resources found"])
        .await;
    session
        .run("get pods --field-selector status.phase=Pending", "", 0, &["lone"])
        .await;
    session
        .run(
            "get all",
            "",
            0,
            &["pod/lone", "service/kubernetes", "deployment.apps/web"],
        )
        .await;
    session
        .run("get sa -A --chunk-size=2", "", 0, &["kube-system", "other"])
        .await;
    session
        .run(
            "get pod nope",
            "",
            1,
            &["Error from server (NotFound): pods \"nope\" not found"],
        )
        .await;
    session
        .run("get nope", "", 1, &["the server doesn't have a resource type \"nope\""])
        .await;
    session
        .run(
            "describe deployment web",
            "",
            0,
            &["Name:", "RollingUpdateStrategy:", "25% max unavailable"],
        )
        .await;
    session
        .run("describe pod lone", "", 0, &["QoS Class:", "BestEffort"])
        .await;
    session
        .run(
            "explain deployment.spec.replicas",
            "",
            0,
            &["FIELD: replicas <integer>"],
        )
        .await;
    session
        .run("api-resources", "", 0, &["deployments", "deploy", "apps/v1"])
        .await;
    session.run("api-versions", "", 0, &["apps/v1", "batch/v1"]).await;
    session.run("auth can-i get pods", "", 0, &["yes"]).await;
    session.run("auth whoami", "", 0, &["system:admin"]).await;
    session.run("version", "", 0, &["Server Version: v1.36.2"]).await;
    let watched = session.raw("get cm cm --watch --request-timeout=1s", "").await.1;
    assert!(watched.contains("cm"), "{watched}");
}

async fn changing(session: &Session) {
    session
        .run("label deploy web tier=front", "", 0, &["deployment.apps/web labeled"])
        .await;
    session
        .run("annotate deploy web note=x", "", 0, &["deployment.apps/web annotated"])
        .await;
    session.run("label deploy web tier-", "", 0, &["unlabeled"]).await;
    session
        .run("scale deploy web --replicas=3", "", 0, &["deployment.apps/web scaled"])
        .await;
    session
        .run("patch deploy web -p {\"spec\":{\"replicas\":4}}", "", 0, &["patched"])
        .await;
    session
        .run(
            "patch deploy web --type=merge -p {\"spec\":{\"replicas\":5}}",
            "",
            0,
            &["patched"],
        )
        .await;
    let operations = "patch deploy web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":6}]";
    session.run(operations, "", 0, &["patched"]).await;
    session
        .run("get deploy web -o jsonpath={.spec.replicas}", "", 0, &["6"])
        .await;
    session
        .run("set image deploy/web c=nginx:3", "", 0, &["image updated"])
        .await;
    session
        .run("edit deploy web", "", 0, &["deployment.apps/web edited"])
        .await;
    session
        .run(
            "get deploy web -o jsonpath={.spec.template.spec.containers[0].image}",
            "",
            0,
            &["nginx:4"],
        )
        .await;
    session
        .run("edit deploy web", "", 0, &["Edit cancelled, no changes made."])
        .await;
    session
        .run("rollout history deploy/web", "", 0, &["deployment.apps/web"])
        .await;
    let invalid = "patch deploy web --type=merge -p {\"spec\":{\"replicas\":-1}}";
    session
        .run(
            invalid,
            "",
            1,
            &["The Deployment \"web\" is invalid: spec.replicas: Invalid value: -1"],
        )
        .await;
    session
        .run(
            "wait --for=jsonpath={.spec.replicas}=6 deploy/web --timeout=5s",
            "",
            0,
            &["condition met"],
        )
        .await;
    session
        .run("create token default", "", 0, &["sim-token:default:default"])
        .await;
    session
        .run("replace -f -", WEB, 0, &["deployment.apps/web replaced"])
        .await;
}

async fn custom(session: &Session) {
    let definition = crate::definitions::definition().to_string();
    session
        .run(
            "apply -f -",
            &definition,
            0,
            &["customresourcedefinition.apiextensions.k8s.io/foos.example.com created"],
        )
        .await;
    session
        .run(
            "wait --for=condition=Established crd/foos.example.com --timeout=5s",
            "",
            0,
            &["condition met"],
        )
        .await;
    let wanted = "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: f}\nspec: {mode: a}\n";
    session
        .run("apply -f -", wanted, 0, &["foo.example.com/f created"])
        .await;
    session
        .run(
            "apply -f -",
            &wanted.replace("mode: a", "mode: z"),
            1,
            &["Unsupported value: \"z\""],
        )
        .await;
    session.run("get fo", "", 0, &["NAME", "SIZE", "f", "2"]).await;
    session.run("explain foo.spec", "", 0, &["mode"]).await;
    session.run("scale foo f --replicas=5", "", 0, &["scaled"]).await;
    session.run("delete crd foos.example.com", "", 0, &["deleted"]).await;
    session
        .run("get fo", "", 1, &["the server could not find the requested resource"])
        .await;
}

async fn ending(session: &Session) {
    session.run("delete pod lone", "", 0, &["pod \"lone\" deleted"]).await;
    session
        .run("delete deploy web --cascade=foreground", "", 0, &["deleted"])
        .await;
    session
        .run("delete deploy made --cascade=orphan", "", 0, &["deleted"])
        .await;
    session
        .run("delete cm --all", "", 0, &["configmap \"cm\" deleted"])
        .await;
    session
        .run("delete ns other", "", 0, &["namespace \"other\" deleted"])
        .await;
    session.run("delete deploy web", "", 1, &["NotFound"]).await;
}
