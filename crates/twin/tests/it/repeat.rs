//! The same seed gives the same bytes, in this process and in another one; another seed gives another order.

use std::process::Command;

use crate::seeds::story;

/// Tells the process that is started by the test below which seed to run.
const SEED: &str = "FLEETWRIGHT_TWIN_SEED";

async fn digest(seed: u64) -> String {
    let (lines, digest) = story(seed).await;
    format!("digest of {seed}: {lines} lines {digest}")
}

#[tokio::test]
async fn a_seed_is_a_log() {
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let first = digest(seed.unwrap_or(11)).await;
    println!("{first}");
    if seed.is_none() {
        assert_eq!(first, digest(11).await);
        assert_ne!(first, digest(12).await.replace("of 12", "of 11"));
    }
}

#[tokio::test]
async fn another_process_writes_the_same_bytes() {
    let child = |seed: u64| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "repeat::a_seed_is_a_log", "--nocapture", "--test-threads=1"])
            .env(SEED, seed.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        text.lines()
            .find_map(|line| line.find("digest of").map(|at| line[at..].to_owned()))
            .expect("a digest")
    };
    let mine = digest(17).await;
    assert_eq!(child(17), mine);
    assert_ne!(child(18).replace("of 18", "of 17"), mine);
}
