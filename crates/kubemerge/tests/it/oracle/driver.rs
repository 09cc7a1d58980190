//! Builds the Go driver and talks to it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use json_tree::{Text, Value, json};

/// Where Debian puts the library.
const LIBRARY: &str = "/usr/share/gocode/src/sigs.k8s.io/structured-merge-diff";

/// A running driver.
pub(super) struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    schema: Option<String>,
    /// Whether it has a version of the library that agrees in the order of lists.
    pub(super) strict: bool,
}

impl Oracle {
    /// Starts a driver for one schema; `None` when there is none and none can be built.
    pub(super) fn start(schema: &Value) -> Option<Self> {
        let given = std::env::var_os("KUBEMERGE_ORACLE").map(PathBuf::from);
        let strict = given.is_some();
        let program = given.or_else(build)?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self {
            child,
            stdin,
            stdout,
            schema: Some(schema.to_string()),
            strict,
        })
    }

    /// One question, one answer. The schema goes with the first question.
    pub(super) fn ask(&mut self, question: &Value) -> Value {
        let mut question = question.clone();
        if let Some(schema) = self.schema.take() {
            question["schema"] = Value::from(schema);
        }
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{question}").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The driver ends when its input does.
        self.stdin.take();
        let _ = self.child.wait();
    }
}

/// Builds the driver into the test run's own folder.
fn build() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle");
    let program = home.join("oracle");
    if !Path::new(LIBRARY).is_dir() || Command::new("go").arg("version").output().is_err() {
        return None;
    }
    // The library calls itself v4, its folder does not.
    let place = home.join("src/sigs.k8s.io/structured-merge-diff");
    std::fs::create_dir_all(&place).unwrap();
    if !place.join("v4").exists() {
        std::os::unix::fs::symlink(LIBRARY, place.join("v4")).unwrap();
    }
    let out = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/main.go"))
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPATH", format!("{}:/usr/share/gocode", home.display()))
        .env("GOCACHE", home.join("cache"))
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "the oracle does not build: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    Some(program)
}

/// The library's notation of a structural schema, with the types that it has for what no type is known of.
pub(super) fn notation(schema: &Value) -> Value {
    let scalar = json!({"scalar": "untyped"});
    let mut root = atom(schema);
    root["name"] = Value::from("root");
    json!({"types": [
        root,
        {"name": "__untyped_atomic_", "scalar": "untyped",
            "list": {"elementType": {"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"},
            "map": {"elementType": {"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"}},
        {"name": "__untyped_deduced_", "scalar": scalar["scalar"],
            "list": {"elementType": {"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"},
            "map": {"elementType": {"namedType": "__untyped_deduced_"}, "elementRelationship": "separable"}},
    ]})
}

fn atom(schema: &Value) -> Value {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    if schema["x-kubernetes-int-or-string"] == true {
        return json!({"scalar": "untyped"});
    }
    match schema["type"].as_str() {
        Some("string") => json!({"scalar": "string"}),
        Some("integer" | "number") => json!({"scalar": "numeric"}),
        Some("boolean") => json!({"scalar": "boolean"}),
        Some("array") => {
            let mut list = json!({"elementType": atom(&schema["items"]), "elementRelationship": "atomic"});
            if schema["x-kubernetes-list-type"] != Value::Null && schema["x-kubernetes-list-type"] != "atomic" {
                list["elementRelationship"] = Value::from("associative");
            }
            if schema["x-kubernetes-list-type"] == "map" {
                list["keys"] = schema["x-kubernetes-list-map-keys"].clone();
            }
            json!({"list": list})
        }
        Some(_) => {
            let field = |(name, schema): (&Text, &Value)| {
                let mut field = json!({"name": name, "type": atom(schema)});
                if let Some(default) = schema.get("default") {
                    field["default"] = default.clone();
                }
                field
            };
            let fields: Vec<Value> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(field)
                .collect();
            let mut map = json!({"fields": fields});
            if let Some(values) = schema.get("additionalProperties") {
                map["elementType"] = atom(values);
            } else if open {
                map["elementType"] = json!({"namedType": "__untyped_deduced_"});
            }
            if schema["x-kubernetes-map-type"] == "atomic" {
                map["elementRelationship"] = Value::from("atomic");
            }
            json!({"map": map})
        }
        None => json!({"namedType": "__untyped_deduced_"}),
    }
}
