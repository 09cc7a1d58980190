//! The client against a server that says exactly what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use jiff::Timestamp;
use model::ClusterUpdate;
use ports::registry::{AccountFilter, ClusterFilter, Detail, PageRequest, Revision};
use ports::{Clock, Registry as _, RegistryError, SeededIds, WriteContext};
use registry_api::client::{ClientOptions, RegistryClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A clock on which nobody waits; it remembers how long they would have.
#[derive(Debug, Default)]
struct Impatient(Mutex<Vec<Duration>>);

#[async_trait]
impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }
}

/// Gives one answer per connection, in order; an empty one closes the connection without a word.
struct Scripted {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    clock: Arc<Impatient>,
}

impl Scripted {
    async fn with(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut answers = VecDeque::from(answers);
        tokio::spawn(async move {
            while let Some(answer) = answers.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !complete(&request) {
                    let mut piece = [0; 4096];
                    match stream.read(&mut piece).await {
                        Ok(count @ 1..) => request.extend_from_slice(&piece[..count]),
                        _ => break,
                    }
                }
                seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            url,
            requests,
            clock: Arc::default(),
        }
    }

    fn client(&self, change: impl FnOnce(&mut ClientOptions)) -> RegistryClient {
        let mut options = ClientOptions::new(self.url.clone());
        change(&mut options);
        RegistryClient::new(&options, Arc::clone(&self.clock) as _, Arc::new(SeededIds::new(1))).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn waits(&self) -> Vec<Duration> {
        self.clock.0.lock().unwrap().clone()
    }
}

/// True when head and announced body are there.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    body.len() >= length
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

const CLOSED: &str = "";
const EMPTY_LIST: &str = r#"{"items":[]}"#;

async fn list(client: &RegistryClient) -> Result<(), RegistryError> {
    client
        .list_clusters(&ClusterFilter::default(), Detail::Full, &PageRequest::all())
        .await
        .map(drop)
}

#[tokio::test]
async fn a_read_is_repeated_when_the_server_says_or_the_connection_breaks() {
    let server = Scripted::with(vec![
        answer("503 Service Unavailable", "retry-after: 7\r\n", ""),
        answer(
            "429 Too Many Requests",
            "retry-after: Thu, 01 Jan 1970 00:00:09 GMT\r\n",
            "",
        ),
        CLOSED.to_owned(),
        answer("502 Bad Gateway", "", ""),
        answer("200 OK", "", EMPTY_LIST),
    ])
    .await;
    list(&server.client(|_| {})).await.unwrap();
    let waits = server.waits();
    assert_eq!(waits[..2], [Duration::from_secs(7), Duration::from_secs(9)]);
    assert!(
        waits[2] <= Duration::from_millis(400) && waits[3] <= Duration::from_millis(800),
        "{waits:?}"
    );
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn repetitions_end() {
    let server = Scripted::with(vec![answer("503 Service Unavailable", "", ""); 5]).await;
    let error = list(&server.client(|options| options.busy_retries = 2))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error:?}");
    assert_eq!(server.requests().len(), 3);
    let server = Scripted::with(vec![answer("503 Service Unavailable", "retry-after: 3600\r\n", ""); 2]).await;
    list(&server.client(|_| {})).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "an hour is not waited for");
}

#[tokio::test]
async fn a_creation_is_sent_once() {
    let account = || testkit::sample::account(1);
    let server = Scripted::with(vec![CLOSED.to_owned(), answer("201 Created", "", "{}")]).await;
    let error = server
        .client(|_| {})
        .create_account(account(), &WriteContext::by("", ""))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Unavailable(_)), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

/// An error with its causes.
fn chain(error: &RegistryError) -> String {
    let first: &dyn std::error::Error = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_bound_write_whose_answer_was_lost_is_not_repeated() {
    let stale = || {
        let body = r#"{"type":"urn:fleetwright:error:wrong-revision","status":412,"code":412,"expected":1,"actual":2}"#;
        answer("412 Precondition Failed", "", body)
    };
    let id = "aws:1:r:kube-1".parse().unwrap();
    let bound = WriteContext::by("", "").expecting(Revision(1));
    for lost in [
        CLOSED.to_owned(),
        answer("502 Bad Gateway", "", ""),
        answer("503 Service Unavailable", "", ""),
    ] {
        let server = Scripted::with(vec![lost, stale()]).await;
        let error = server.client(|_| {}).delete_cluster(&id, &bound).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unavailable(_)), "{error:?}");
        assert!(
            chain(&error).contains("the write may have been carried out"),
            "{}",
            chain(&error)
        );
        assert_eq!(server.requests().len(), 1);
    }
    // A server that is too busy to begin has written nothing.
    let busy = answer("429 Too Many Requests", "retry-after: 1\r\n", "");
    let server = Scripted::with(vec![busy, answer("204 No Content", "", "")]).await;
    server.client(|_| {}).delete_cluster(&id, &bound).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn of_the_patches_only_those_of_a_state_are_repeated() {
    let id = testkit::sample::cluster(1).id;
    let status = ClusterUpdate {
        status: Some(model::ClusterStatus::default()),
        ..ClusterUpdate::default()
    };
    let channel = ClusterUpdate {
        channel: Some("beta".to_owned()),
        ..status.clone()
    };
    let made = serde_json::to_string(&testkit::sample::cluster(1)).unwrap();
    for (update, sent) in [(status, 2), (channel, 1)] {
        let server = Scripted::with(vec![CLOSED.to_owned(), answer("200 OK", "", &made)]).await;
        let context = WriteContext::by("", "");
        let result = server.client(|_| {}).update_cluster(&id, update, &context).await;
        assert_eq!((result.is_ok(), server.requests().len()), (sent == 2, sent));
    }
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_has_been_done() {
    let not_found = || answer("404 Not Found", "", r#"{"code":404,"message":"gone"}"#);
    let id = "aws:1:r:kube-1".parse().unwrap();
    let server = Scripted::with(vec![CLOSED.to_owned(), not_found()]).await;
    server
        .client(|_| {})
        .delete_cluster(&id, &WriteContext::by("", ""))
        .await
        .unwrap();
    let server = Scripted::with(vec![not_found()]).await;
    let error = server
        .client(|_| {})
        .delete_cluster(&id, &WriteContext::by("", ""))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::NotFound { kind: "cluster", .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_renewed_token_counts_at_once_and_no_token_shows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let server = Scripted::with(vec![
        answer("200 OK", "", EMPTY_LIST),
        answer("401 Unauthorized", "", ""),
    ])
    .await;
    let client = server.client(|options| options.token_file = Some(path.clone()));
    std::fs::write(&path, "first\n").unwrap();
    list(&client).await.unwrap();
    std::fs::write(&path, "second").unwrap();
    let error = list(&client).await.unwrap_err();
    let sent: Vec<bool> = server
        .requests()
        .iter()
        .zip(["Bearer first\r\n", "Bearer second\r\n"])
        .map(|(request, expected)| request.contains(expected))
        .collect();
    assert_eq!(sent, [true, true]);
    let shown = format!("{client:?} {error:?} {error}");
    assert!(
        matches!(error, RegistryError::Unauthorized(_)) && !shown.contains("second"),
        "{shown}"
    );
    std::fs::remove_file(&path).unwrap();
    let missing = list(&client).await.unwrap_err().to_string();
    assert!(
        missing.starts_with("token file ") && missing.contains("No such file"),
        "{missing}"
    );
}

#[tokio::test]
async fn the_path_of_the_server_is_kept_and_filters_are_escaped() {
    let server = Scripted::with(vec![answer("200 OK", "", EMPTY_LIST)]).await;
    let client = server.client(|options| options.server.push_str("/a/base/"));
    let filter = AccountFilter {
        owner: Some("team/a b&c".to_owned()),
        ..AccountFilter::default()
    };
    client
        .list_accounts(
            &filter,
            &PageRequest {
                limit: Some(5),
                after: None,
            },
        )
        .await
        .unwrap();
    let request = server.requests().remove(0);
    assert!(
        request.starts_with("GET /a/base/infrastructure-accounts?owner=team%2Fa+b%26c&limit=5 "),
        "{request}"
    );
}

#[tokio::test]
async fn a_watch_goes_on_where_a_cut_left_it() {
    let event = |n: i64| {
        let data = format!(
            r#"{{"sequence":{n},"time":"2026-01-02T03:04:05Z","kind":"cluster","id":"aws:1:r:k1","action":"updated","revision":{n},"actor":"a"}}"#
        );
        format!("id: {n}\nevent: cluster.updated\ndata: {data}\n\n")
    };
    let stream = |events: &str| {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n{events}")
    };
    let cut = |n: i64| {
        let whole = event(n);
        whole[..whole.len() / 2].to_owned()
    };
    let server = Scripted::with(vec![
        stream(&format!(
            "retry: 2000\n\n{}: heartbeat\n\n{}{}",
            event(5),
            event(6),
            cut(7)
        )),
        CLOSED.to_owned(),
        answer("503 Service Unavailable", "", ""),
        // A server may send again what was seen.
        stream(&format!("{}{}", event(6), event(7))),
    ])
    .await;
    let changes: Vec<i64> = server
        .client(|_| {})
        .watch(4)
        .await
        .unwrap()
        .take(3)
        .map(|change| change.unwrap().sequence)
        .collect()
        .await;
    assert_eq!(changes, [5, 6, 7]);
    let resumed: Vec<bool> = server
        .requests()
        .iter()
        .map(|r| r.contains("last-event-id: 6\r\n"))
        .collect();
    assert_eq!(resumed, [false, true, true, true]);
}

#[tokio::test]
async fn a_watch_that_is_refused_fails_at_once_and_one_that_cannot_resume_ends_with_the_reason() {
    let forbidden = || answer("403 Forbidden", "", r#"{"code":403,"message":"not yours"}"#);
    let server = Scripted::with(vec![forbidden()]).await;
    let error = server.client(|_| {}).watch(0).await.err().unwrap();
    assert_eq!(error.to_string(), "not yours");
    let stream =
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\nretry: 1\n\n".to_owned();
    let server = Scripted::with(vec![stream, forbidden()]).await;
    let mut changes = server.client(|_| {}).watch(0).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap_err().to_string(), "not yours");
    assert!(changes.next().await.is_none());
}

#[tokio::test]
async fn a_write_under_a_lease_is_refused_before_it_is_sent() {
    let server = Scripted::with(vec![]).await;
    let lease = ports::Lease {
        name: ports::LeaseName::new("x").unwrap(),
        holder: "h".to_owned(),
        token: 1,
        expires_at: Timestamp::UNIX_EPOCH,
    };
    let context = WriteContext::by("", "").fenced(&lease);
    let error = server
        .client(|_| {})
        .delete_cluster(&"aws:1:r:k1".parse().unwrap(), &context)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a write under lease x cannot be made over the registry API"
    );
}
