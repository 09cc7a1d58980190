//! Sending spans to an OpenTelemetry collector.

use std::sync::Arc;
use std::time::Duration;

use ports::{SystemClock, SystemIds};
use service::{TraceExporter, TraceLayer, traces};

use crate::failure::Failure;

/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Spans on their way to a collector.
pub(crate) struct Spans {
    url: reqwest::Url,
    http: reqwest::Client,
    exporter: TraceExporter,
}

impl Spans {
    /// To the collector at this URL; the path of the protocol is added to it.
    pub(crate) fn to(endpoint: &str) -> Result<(TraceLayer, Self), Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::new(format!("--otlp-endpoint: {why}")).hint("a collector's URL looks like http://collector:4318")
        };
        let mut url: reqwest::Url = endpoint.parse().map_err(|error| wrong(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(&"must start with http:// or https://"));
        }
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        let http = http.map_err(|error| Failure::of(&error).while_doing("--otlp-endpoint"))?;
        let (layer, exporter) = traces("fleetwright", Arc::new(SystemClock), Arc::new(SystemIds));
        Ok((layer, Self { url, http, exporter }))
    }

    /// Sends until the process ends. A batch that is not taken is lost, which is said; nothing waits for it.
    pub(crate) async fn send(mut self) {
        while let Some((body, dropped)) = self.exporter.next(&SystemClock).await {
            if dropped > 0 {
                tracing::warn!(dropped, "spans came faster than the collector takes them");
            }
            let request = self.http.post(self.url.clone());
            let request = request
                .header("content-type", "application/json")
                .body(body.to_string());
            match request.send().await {
                Ok(reply) if reply.status().is_success() => {}
                Ok(reply) => tracing::warn!(status = reply.status().as_u16(), "the collector does not take spans"),
                Err(error) => tracing::warn!(error = %error.without_url(), "the collector cannot be reached"),
            }
        }
    }
}
