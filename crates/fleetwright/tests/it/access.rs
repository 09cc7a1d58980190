//! Tokens and certificates, from the command line.

use std::sync::Arc;

use ports::SystemClock;
use registry::Access;
use registry::auth::{TokenFile, hash_token};
use service::Tls;
use store::MemoryRegistry;

use crate::server;
use crate::transcript::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let lines = format!(
        "alice admin {}\nbob reader {}\n",
        hash_token("alices-token"),
        hash_token("bobs-token")
    );
    std::fs::write(&path, lines).unwrap();
    let tokens = TokenFile::open(&path, Arc::new(SystemClock)).await.unwrap();
    let registry = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
    let server = server::serve(registry, Some(Access::Tokens(Arc::new(tokens))), None).await;
    let shell = Shell::at(&server);
    for (name, token) in [
        ("alice", "alices-token\n"),
        ("bob", "bobs-token"),
        ("mallory", "hunter2"),
        ("empty", "\n"),
    ] {
        shell.file(name, token);
    }
    shell.file("fleet.yaml", include_str!("fixtures/fleet.yaml"));
    let text = shell.runs(&[
        &["get", "clusters"],
        &["get", "clusters", "--token-file", "mallory"],
        &["get", "clusters", "--token-file", "nothing"],
        &["get", "clusters", "--token-file", "empty"],
        &["import", "-f", "fleet.yaml", "--token-file", "bob"],
        &["import", "-f", "fleet.yaml", "--token-file", "alice"],
        &["get", "clusters", "-o", "name", "--token-file", "bob"],
        &[
            "history",
            "cluster",
            "shop",
            "--token-file",
            "bob",
            "-o",
            "jsonpath={.items[*].actor}{\"\\n\"}",
        ],
    ]);
    assert!(!text.contains("hunter2") && !text.contains("s-token"), "{text}");
    insta::assert_snapshot!(text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_ones_own() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::from_files(&certificate, &key).unwrap();
    let registry = Arc::new(MemoryRegistry::new(Arc::new(SystemClock)));
    let server = server::serve(registry, None, Some(tls)).await;
    let shell = Shell::at(&server);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let trusted = shell.run(&["version", "--ca-file", certificate.to_str().unwrap()]);
    assert!(trusted.contains("Server: "), "{trusted}");
    let refused = shell.run(&["version"]);
    assert!(
        refused.contains("error: version of the server: the registry cannot be reached")
            && refused.contains("certificate"),
        "{refused}"
    );
    shell.file("none.pem", "no certificate");
    let none = shell.run(&["version", "--ca-file", "none.pem"]);
    assert!(
        none.contains("! error: certificate file none.pem: must hold certificates in PEM"),
        "{none}"
    );
}
