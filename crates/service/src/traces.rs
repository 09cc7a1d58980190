//! Spans for an OpenTelemetry collector: collected as they close, handed on in batches as OTLP in its JSON form.
//!
//! Nothing waits for a collector: a queue of bounded length lies between, and spans that find it full are counted and dropped.
//! Who sends is given by the program, since this crate has no HTTP client
//! (docs/decisions/0015-otlp-in-json-by-ourselves.md).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use ports::{Clock, Ids};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Spans that wait to be sent; more are dropped.
const QUEUE: usize = 4_096;
/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const PAUSE: Duration = Duration::from_secs(5);
/// Events that a span keeps.
const EVENTS: usize = 32;

/// Collects spans; a layer of the subscriber.
pub struct TraceLayer {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    queue: mpsc::Sender<Value>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for TraceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer").finish_non_exhaustive()
    }
}

/// Hands spans on in batches.
#[derive(Debug)]
pub struct TraceExporter {
    service: String,
    queue: mpsc::Receiver<Value>,
    dropped: Arc<AtomicU64>,
}

/// A layer that collects, and the exporter that its spans come out of. `service` is the `service.name` of all of them.
#[must_use]
pub fn traces(service: &str, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> (TraceLayer, TraceExporter) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let layer = TraceLayer {
        clock,
        ids,
        queue: sender,
        dropped: Arc::clone(&dropped),
    };
    let exporter = TraceExporter {
        service: service.to_owned(),
        queue: receiver,
        dropped,
    };
    (layer, exporter)
}

/// What is kept of a span while it is open.
struct Open {
    trace: String,
    id: String,
    parent: Option<String>,
    name: &'static str,
    begun: Timestamp,
    fields: Fields,
    events: Vec<Value>,
    failed: bool,
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!({"stringValue": format!("{value:?}")}));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!({"stringValue": value}));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        // 64-bit numbers are texts in the JSON form of protobuf.
        self.put(field, json!({"intValue": value.to_string()}));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!({"intValue": value.to_string()}));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!({"doubleValue": value}));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!({"boolValue": value}));
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }

    fn attributes(self) -> Vec<Value> {
        let each = self.0.into_iter();
        each.map(|(key, value)| json!({"key": key, "value": value})).collect()
    }
}

fn nanos(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

impl TraceLayer {
    /// Ids that are all zero mean "none" to collectors.
    fn span_id(&self) -> String {
        format!("{:016x}", self.ids.next_u64().max(1))
    }

    fn trace_id(&self) -> String {
        format!("{:016x}{:016x}", self.ids.next_u64().max(1), self.ids.next_u64())
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for TraceLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions
                .get::<Open>()
                .map(|open| (open.trace.clone(), open.id.clone()))
        });
        let (trace, parent) = match above {
            Some((trace, parent)) => (trace, Some(parent)),
            None => (self.trace_id(), None),
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let open = Open {
            trace,
            id: self.span_id(),
            parent,
            name: attributes.metadata().name(),
            begun: self.clock.now(),
            fields,
            events: Vec::new(),
            failed: false,
        };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<Open>() else {
            return;
        };
        open.failed |= *event.metadata().level() == tracing::Level::ERROR;
        if open.events.len() >= EVENTS {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message");
        let text = message
            .as_ref()
            .and_then(|message| message.get("stringValue"))
            .and_then(Value::as_str);
        let name = text.unwrap_or(event.metadata().name()).to_owned();
        let at = nanos(self.clock.now());
        open.events
            .push(json!({"timeUnixNano": at, "name": name, "attributes": fields.attributes()}));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove::<Open>());
        let Some(open) = open else { return };
        let mut span = json!({
            "traceId": open.trace,
            "spanId": open.id,
            "name": open.name,
            "kind": 1,
            "startTimeUnixNano": nanos(open.begun),
            "endTimeUnixNano": nanos(self.clock.now()),
            "attributes": open.fields.attributes(),
            "events": open.events,
            "status": {"code": if open.failed { 2 } else { 0 }},
        });
        if let (Some(map), Some(parent)) = (span.as_object_mut(), open.parent) {
            map.insert("parentSpanId".to_owned(), parent.into());
        }
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl TraceExporter {
    /// The next batch as the body of a request to `/v1/traces`; it waits for the first span and, for a few seconds, for
    /// others. `None` once the layer is gone. The number is how many spans were dropped since the last batch.
    pub async fn next(&mut self, clock: &dyn Clock) -> Option<(Value, u64)> {
        let mut spans = vec![self.queue.recv().await?];
        let mut end = std::pin::pin!(clock.sleep(PAUSE));
        while spans.len() < BATCH {
            tokio::select! {
                biased;
                more = self.queue.recv() => match more {
                    Some(span) => spans.push(span),
                    None => break,
                },
                () = &mut end => break,
            }
        }
        let attribute = json!({"key": "service.name", "value": {"stringValue": self.service}});
        let scope = json!({"name": "fleetwright", "version": env!("CARGO_PKG_VERSION")});
        let body = json!({"resourceSpans": [{
            "resource": {"attributes": [attribute]},
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }]});
        Some((body, self.dropped.swap(0, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use ports::{SeededIds, SimClock};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn spans_come_out_with_their_parents_fields_and_events() {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap()));
        let (layer, mut exporter) = traces("fleetwright", clock.clone(), Arc::new(SeededIds::new(1)));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let pass = tracing::info_span!("pass", cluster = "shop", update = tracing::field::Empty);
            let _entered = pass.enter();
            pass.record("update", "shop.1");
            tracing::info_span!("apply", objects = 3_u64).in_scope(|| tracing::error!(code = 409, "refused"));
        });
        let (body, dropped) = exporter.next(&*clock).await.unwrap();
        assert_eq!(dropped, 0);
        let resource = &body["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0]["value"]["stringValue"],
            "fleetwright"
        );
        let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
        let [apply, pass] = spans.as_slice() else {
            panic!("{spans:#?}")
        };
        assert_eq!((&apply["name"], &pass["name"]), (&json!("apply"), &json!("pass")));
        assert_eq!(
            (&apply["traceId"], &apply["parentSpanId"]),
            (&pass["traceId"], &pass["spanId"])
        );
        assert!(pass.get("parentSpanId").is_none());
        assert_eq!(pass["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(pass["startTimeUnixNano"], "1700000000000000000");
        let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
        assert_eq!(
            apply["attributes"],
            json!([attribute("objects", json!({"intValue": "3"}))])
        );
        assert_eq!(
            pass["attributes"],
            json!([
                attribute("cluster", json!({"stringValue": "shop"})),
                attribute("update", json!({"stringValue": "shop.1"})),
            ])
        );
        assert_eq!(
            (&apply["events"][0]["name"], &apply["status"]["code"]),
            (&json!("refused"), &json!(2))
        );
        assert_eq!(pass["status"]["code"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
        let clock = Arc::new(SimClock::starting_at(Timestamp::UNIX_EPOCH));
        let (layer, mut exporter) = traces("fleetwright", clock.clone(), Arc::new(SeededIds::new(1)));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..QUEUE + 10 {
                drop(tracing::info_span!("pass"));
            }
        });
        let (mut sent, mut lost) = (0, 0);
        while let Some((body, dropped)) = exporter.next(&*clock).await {
            let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
                .as_array()
                .unwrap()
                .len();
            assert!(spans <= BATCH);
            sent += spans;
            lost += dropped;
        }
        assert_eq!((sent, lost), (QUEUE, 10));
    }
}
