//! `get`, `describe`, `history`, `export`, `version`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use model::ClusterUpdate;
use ports::WriteContext;

use crate::server;
use crate::transcript::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn tables() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    insta::assert_snapshot!(shell.runs(&[
        &["get", "clusters"],
        &["get", "cluster", "shop", "aws:200:eu-west-1:kube-2", "--no-headers"],
        &["get", "cl", "-o", "wide"],
        &["get", "nodepools"],
        &["get", "np", "-c", "shop", "worker", "-o", "wide"],
        &["get", "accounts"],
        &["get", "account", "aws:100", "-o", "wide"],
        &[
            "get",
            "clusters",
            "--sort-by",
            ".channel",
            "-o",
            "custom-columns=ALIAS:.alias,CHANNEL:.channel,BLOCK:.config_items.cluster_update_block"
        ],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn selectors() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    insta::assert_snapshot!(shell.runs(&[
        &["get", "clusters", "-l", "channel=beta", "-o", "name"],
        &[
            "get",
            "clusters",
            "-l",
            "environment==test,lifecycle_status!=requested",
            "-o",
            "name"
        ],
        &[
            "get",
            "clusters",
            "-l",
            "region in (eu-west-1, us-east-1)",
            "-o",
            "name"
        ],
        &["get", "clusters", "-l", "channel notin (stable,beta)", "-o", "name"],
        &["get", "clusters", "-l", "status.next_version!=", "-o", "name"],
        &["get", "nodepools", "-l", "discount_strategy=spot", "-o", "name"],
        &["get", "accounts", "-l", "environment=test", "-o", "name"],
        &["get", "clusters", "-l", "channel=nothing"],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_formats() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    insta::assert_snapshot!(shell.runs(&[
        &["get", "cluster", "shop-test", "-o", "yaml"],
        &["get", "accounts", "aws:200", "-o", "json"],
        &["get", "nodepools", "-c", "shop", "-o", "yaml"],
        &[
            "get",
            "clusters",
            "-o",
            "jsonpath={range .items[?(@.environment==\"test\")]}{.alias}={.channel}{\"\\n\"}{end}"
        ],
        &["export", "-o", "json"],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn details() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    insta::assert_snapshot!(shell.runs(&[
        &["describe", "cluster", "shop"],
        &["describe", "cluster", "shop-test"],
        &[
            "set",
            "config-item",
            "shop",
            "db_password=other",
            "drain_grace_period=7h"
        ],
        &["history", "cluster", "shop"],
        &[
            "history",
            "cluster",
            "shop",
            "--limit",
            "1",
            "-o",
            "jsonpath={.items[0].fields}"
        ],
        &["history", "account", "aws:100", "--no-headers"],
        &["version"],
    ]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_each_change_in_the_same_columns() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    let mut child = shell
        .command()
        .args(["get", "clusters", "-l", "environment=test", "-w"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Vec<String> = lines.by_ref().take(3).collect();
    assert!(
        first[1].contains("shop-test") && first[2].contains("shop-new"),
        "{first:?}"
    );
    for (id, channel) in [
        ("aws:100:eu-central-1:kube-1", "alpha"),
        ("aws:200:eu-west-1:kube-2", "gamma"),
    ] {
        let update = ClusterUpdate {
            channel: Some(channel.to_owned()),
            ..ClusterUpdate::default()
        };
        server
            .registry
            .update_cluster(&id.parse().unwrap(), update, &WriteContext::by("t", "r"))
            .await
            .unwrap();
    }
    // The production cluster was not asked for, so the next line is the other one, aligned with the header.
    let next = tokio::task::spawn_blocking(move || lines.next().unwrap())
        .await
        .unwrap();
    assert_eq!(next.find("gamma"), first[0].find("CHANNEL"), "{next}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_error() {
    let server = server::with_fleet().await;
    let shell = Shell::at(&server);
    let mut child = shell
        .command()
        .args(["export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (Some(0), String::new())
    );
}
