//! A client of Prometheus' query API: one question, one answer.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use ports::prometheus::{Prometheus, PrometheusError, Sample};
use serde::Deserialize;

use crate::failure::Failure;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks Prometheus servers over HTTP.
#[derive(Debug)]
pub(crate) struct HttpPrometheus(reqwest::Client);

impl HttpPrometheus {
    pub(crate) fn new() -> Result<Self, Failure> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        client.map(Self).map_err(|error| Failure::of(&error))
    }
}

/// What the server says.
#[derive(Debug, Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: String,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: Point,
}

/// A moment and a value; values are texts, since JSON has no `NaN` and no infinity.
type Point = (f64, String);

#[async_trait]
impl Prometheus for HttpPrometheus {
    async fn query(&self, server: &str, promql: &str, at: Timestamp) -> Result<Vec<Sample>, PrometheusError> {
        let unavailable = |why: String| PrometheusError::Unavailable {
            server: server.to_owned(),
            why,
        };
        let address = format!("{}/api/v1/query", server.trim_end_matches('/'));
        let time = at.as_second().to_string();
        let url = reqwest::Url::parse_with_params(&address, [("query", promql), ("time", &time)])
            .map_err(|error| unavailable(error.to_string()))?;
        let reply = self.0.get(url).send().await;
        // The address of the question is in the check already, and a password may be in it.
        let reply = reply.map_err(|error| unavailable(deepest(&error.without_url())))?;
        let status = reply.status();
        let body = reply
            .bytes()
            .await
            .map_err(|error| unavailable(deepest(&error.without_url())))?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| unavailable(format!("its answer, {status}, is none")))?;
        match answer {
            Answer {
                data: Some(data),
                status,
                ..
            } if status == "success" => samples(data),
            // 400: bad query; 422: it cannot be evaluated. Anything else is the server's own trouble.
            answer if status.is_client_error() => Err(PrometheusError::Refused(answer.error)),
            answer => Err(unavailable(format!("{status}: {}", answer.error))),
        }
    }
}

/// The innermost cause, which is the one that tells.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

fn samples(data: Data) -> Result<Vec<Sample>, PrometheusError> {
    let sample = |labels: BTreeMap<String, String>, (_, text): Point| match text.parse() {
        Ok(value) => Ok(Sample { labels, value }),
        Err(_) => Err(PrometheusError::Refused(format!("{text:?} is no value"))),
    };
    let broken = |error: serde_json::Error| PrometheusError::Refused(format!("its answer cannot be read: {error}"));
    match data.kind.as_str() {
        "vector" => {
            let all: Vec<Series> = serde_json::from_value(data.result).map_err(broken)?;
            all.into_iter()
                .map(|series| sample(series.metric, series.value))
                .collect()
        }
        "scalar" => {
            let point = serde_json::from_value(data.result).map_err(broken)?;
            Ok(vec![sample(BTreeMap::new(), point)?])
        }
        other => Err(PrometheusError::Refused(format!(
            "the query gives a {other}; it has to give one value for each series"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a server that answers so; gives the answer and the first line of the question.
    async fn ask(status: &str, body: &str) -> (Result<Vec<Sample>, PrometheusError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}/", listener.local_addr().unwrap());
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let serving = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = Vec::new();
            while !question.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut part = [0; 1_024];
                let n = stream.read(&mut part).await.unwrap();
                question.extend_from_slice(&part[..n]);
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
            String::from_utf8(question).unwrap().lines().next().unwrap().to_owned()
        };
        let client = HttpPrometheus::new().unwrap();
        let asking = client.query(
            &server,
            "sum(up{c=\"a b\"}) > 1",
            Timestamp::from_second(1_700_000_000).unwrap(),
        );
        tokio::join!(asking, serving)
    }

    #[tokio::test]
    async fn a_vector_is_samples() {
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"pod":"a"},"value":[1700000000.1,"2.5"]},{"metric":{},"value":[1700000000.1,"+Inf"]}]}}"#;
        let (found, asked) = ask("200 OK", body).await;
        let found = found.unwrap();
        assert_eq!((found[0].labels["pod"].as_str(), found[0].value), ("a", 2.5));
        assert_eq!(found[1].value, f64::INFINITY);
        let wanted = "GET /api/v1/query?query=sum%28up%7Bc%3D%22a+b%22%7D%29+%3E+1&time=1700000000 HTTP/1.1";
        assert_eq!(asked, wanted);
        let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"NaN"]}}"#;
        assert!(ask("200 OK", body).await.0.unwrap()[0].value.is_nan());
    }

    #[tokio::test]
    async fn refusals_are_quoted_and_nothing_else_is_taken_for_an_answer() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        let (found, _) = ask("400 Bad Request", refused).await;
        assert_eq!(found, Err(PrometheusError::Refused("parse error".to_owned())));
        for (status, body) in [
            ("503 Unavailable", r#"{"status":"error","error":"starting"}"#),
            ("200 OK", "<html>"),
        ] {
            let (found, _) = ask(status, body).await;
            assert!(matches!(found, Err(PrometheusError::Unavailable { .. })), "{found:?}");
        }
        let down = HttpPrometheus::new().unwrap();
        let found = down.query("http://127.0.0.1:1", "up", Timestamp::UNIX_EPOCH).await;
        assert!(matches!(found, Err(PrometheusError::Unavailable { .. })), "{found:?}");
    }
}
