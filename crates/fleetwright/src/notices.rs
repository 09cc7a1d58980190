//! Notices to owners as webhooks: a POST with the notice as JSON, queued so that no rollout waits for it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ports::{Clock as _, SystemClock};
use rollout::{Notice, Notices};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Notices that may wait; more are dropped with a line in the log, since the events and the evidence say the same.
const WAITING: usize = 1_000;
/// How often a notice is sent before it is given up, and the pause after the first failure; it doubles.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Sends notices to one URL.
#[derive(Debug)]
struct WebhookNotices {
    queue: mpsc::Sender<Notice>,
}

/// The sender to the URL of `--notify-url`, where one is given.
///
/// # Errors
/// When it is no URL that can be sent to.
pub(crate) fn to(url: Option<&str>) -> Result<Option<Arc<dyn Notices>>, Failure> {
    let started = url.map(WebhookNotices::start).transpose()?;
    Ok(started.map(|notices| Arc::new(notices) as Arc<dyn Notices>))
}

impl WebhookNotices {
    /// Starts the sender; it ends with this value.
    fn start(url: &str) -> Result<Self, Failure> {
        let wrong = |error: reqwest::Error| Failure::of(&error.without_url()).while_doing("--notify-url");
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(wrong)?;
        let request = client.post(url).build().map_err(wrong)?;
        let (queue, mut waiting) = mpsc::channel::<Notice>(WAITING);
        tokio::spawn(async move {
            while let Some(notice) = waiting.recv().await {
                send(&client, request.url(), &notice).await;
            }
        });
        Ok(Self { queue })
    }
}

async fn send(client: &reqwest::Client, url: &reqwest::Url, notice: &Notice) {
    let mut pause = PAUSE;
    for attempt in 1..=ATTEMPTS {
        let sent = client.post(url.clone()).json(notice).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return,
            // The URL may hold a secret.
            Err(error) => {
                tracing::warn!(pod = %notice.pod, attempt, error = %error.without_url(), "notice not delivered")
            }
        }
        if attempt < ATTEMPTS {
            SystemClock.sleep(pause).await;
            pause *= 2;
        }
    }
}

#[async_trait]
impl Notices for WebhookNotices {
    async fn tell(&self, notice: Notice) {
        if let Err(error) = self.queue.try_send(notice) {
            tracing::warn!(%error, "notice dropped");
        }
    }
}
