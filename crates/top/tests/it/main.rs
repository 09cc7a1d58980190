//! Keys are pressed and the screen is looked at, at 80 by 24.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use model::{Block, Cluster, Progress, Update, UpdateStep};
use ports::blocks::Blocked;
use ports::standing::{Standing, State};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use top::{App, ClusterLine, Do, NodeLine, Picture, UpdateLine, View, draw};

fn line(alias: &str, state: State, sentence: &str) -> ClusterLine {
    let cluster: Cluster = serde_json::from_value(serde_json::json!({
        "id": format!("aws:1:eu-central-1:{alias}"), "alias": alias, "local_id": alias, "region": "eu-central-1",
        "infrastructure_account": "aws:123456789012", "provider": "simulated", "api_server_url": "https://x.example.org",
        "channel": "beta", "environment": "production", "criticality_level": 2, "lifecycle_status": "ready",
        "node_pools": [{"name": "workers", "profile": "worker-splitaz", "instance_types": ["m6i.large"], "discount_strategy": "none", "min_size": 1, "max_size": 5}],
    }))
    .unwrap();
    let sentence = sentence.to_owned();
    ClusterLine {
        cluster,
        standing: Standing { state, sentence },
    }
}

fn picture() -> Picture {
    let step = |path: &str, progress, message: &str| UpdateStep {
        path: path.to_owned(),
        progress,
        message: message.to_owned(),
        ..UpdateStep::default()
    };
    let update = Update {
        progress: Progress::Failing,
        steps: vec![
            step("manifests/dns", Progress::Done, "2 objects"),
            step("pools/workers", Progress::Failing, "no capacity"),
        ],
        ..Update::default()
    };
    let cluster = line("blog", State::Blocked, "blocked: quarter end");
    let blocked = Blocked {
        cluster: cluster.cluster.id.clone(),
        id: None,
        since: None,
        block: Block::from_item("quarter end (alice)"),
    };
    Picture {
        at: Timestamp::from_second(1_795_000_000).unwrap(),
        server: "http://127.0.0.1:8080".to_owned(),
        clusters: vec![
            cluster,
            line("shop", State::Failing, "pools/workers: no capacity"),
            line("shop-test", State::Current, ""),
        ],
        updates: vec![UpdateLine {
            id: "shop.1".to_owned(),
            cluster: "shop".to_owned(),
            update,
        }],
        blocks: vec![("blog".to_owned(), blocked)],
        nodes: Some(vec![NodeLine {
            cluster: "shop".to_owned(),
            pool: "workers".to_owned(),
            node: "node-1".to_owned(),
            latest: None,
            sentence: "waits for a new node".to_owned(),
        }]),
    }
}

/// The screen after these keys; `\n` is Enter, `\x1b` Esc, `\x08` Backspace.
fn screen(app: &mut App, keys: &str) -> (String, Do) {
    let mut last = Do::Draw;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\x08' => KeyCode::Backspace,
            letter => KeyCode::Char(letter),
        };
        last = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(app, frame, true)).unwrap();
    (terminal.backend().to_string(), last)
}

fn app() -> App {
    let mut app = App::new();
    app.take(picture());
    app
}

#[test]
fn keys_lead_through_the_views() {
    for (keys, shown, hidden) in [
        (
            "j",
            &["3 clusters", "1 failing", "pools/workers: no capacity", "blog"][..],
            &["quarter end (alice)"][..],
        ),
        ("/test", &["shop-test", "/test"], &["blog "]),
        ("/test\n\x1b", &["shop-test", "blog"], &["/test"]),
        (
            "j\n",
            &[
                "clusters > shop",
                "state     failing",
                "manifests",
                "(1 steps)",
                "no capacity",
                "node-1",
            ],
            &["2 objects"],
        ),
        ("j\n\x1b", &["shop-test"], &["clusters > shop"]),
        (":updates\n", &["updates", "PROGRESS", "failing"], &["WHY"]),
        (":updates\n\n", &["updates > shop.1", "pools", "workers"], &[]),
        (":rollouts\n", &["node-1", "waits for a new node"], &[]),
        (":blocks\n", &["quarter end", "alice"], &["shop-test"]),
        (":cluster blog\n", &["clusters > blog", "state     blocked"], &[]),
        (":cluster nope\n", &["there is no cluster \"nope\""], &[]),
        (":what\n", &["there is no view \"what\""], &[]),
        ("?", &["go into the cluster or update", "changes nothing"], &[]),
    ] {
        let (drawn, _) = screen(&mut app(), keys);
        for wanted in shown {
            assert!(drawn.contains(wanted), "{keys:?}: {wanted} is missing in\n{drawn}");
        }
        for unwanted in hidden {
            assert!(!drawn.contains(unwanted), "{keys:?}: {unwanted} is in\n{drawn}");
        }
    }
}

#[test]
fn leaving_and_reading_anew_are_asked_for() {
    for (keys, expected) in [
        ("q", Do::Leave),
        (":q\n", Do::Leave),
        ("\nq", Do::Draw),
        ("\nqq", Do::Leave),
        ("r", Do::Fetch),
        ("/q", Do::Draw),
    ] {
        assert_eq!(screen(&mut app(), keys).1, expected, "{keys:?}");
    }
}

#[test]
fn the_cursor_stays_on_its_cluster_when_others_come_and_go() {
    let mut app = app();
    screen(&mut app, "jj");
    let mut changed = picture();
    changed.clusters.remove(0);
    app.take(changed);
    screen(&mut app, "\n");
    assert_eq!(app.view(), &View::Cluster("shop-test".to_owned()));
    let mut gone = picture();
    gone.clusters.clear();
    app.take(gone);
    let (drawn, _) = screen(&mut app, "");
    assert!(drawn.contains("no longer in the registry"), "{drawn}");
}

#[test]
fn keys_without_anything_to_show_do_no_harm() {
    let mut app = App::new();
    for keys in [
        "jjjGg\n",
        "/x\n\n\x1b",
        ":\n",
        "::\x08\x08\x08",
        ":rollouts\nG\n",
        "?jjjj\x1b\x1b\x1b",
    ] {
        screen(&mut app, keys);
    }
    app.trouble("the server does not answer");
    assert!(screen(&mut app, "").0.contains("does not answer"));
}
