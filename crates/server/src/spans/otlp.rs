//! The words of the OpenTelemetry protocol, version 1, as far as traces need them. Protobuf, as
//! everywhere; the numbers of the fields are those of `opentelemetry/proto/trace/v1/trace.proto`
//! and its neighbours, which do not change any more.

use std::time::{Instant, SystemTime};

use prost::Message as _;

use super::{Span, unix_ns};

#[derive(Clone, PartialEq, prost::Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

/// The answer. Without the message in it everything was taken.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WireSpan>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// One request with these spans, of the process that is reached by `url`.
pub(super) fn request(url: &str, spans: &[Span]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [("service.name", "natter"), ("service.version", version)];
    let resource = resource.into_iter().chain([("service.instance.id", url)]);
    let now = (Instant::now(), SystemTime::now());
    let scope = Scope { name: "natter".to_owned(), version: version.to_owned() };
    let scope_spans = ScopeSpans {
        scope: Some(scope),
        spans: spans.iter().map(|span| wire_span(span, now)).collect(),
    };
    let attributes = resource.map(|(key, text)| fact(key, Value::Text(text.to_owned())));
    let resource_spans = ResourceSpans {
        resource: Some(Resource { attributes: attributes.collect() }),
        scope_spans: vec![scope_spans],
    };
    ExportRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// How many spans the collector did not want, by its answer. One that cannot be read says nothing.
pub(super) fn rejected(response: &[u8]) -> u64 {
    let response = ExportResponse::decode(response).unwrap_or_default();
    let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
    u64::try_from(rejected).unwrap_or_default()
}

fn wire_span(span: &Span, now: (Instant, SystemTime)) -> WireSpan {
    let number = |(key, number): &(&str, i64)| fact(key, Value::Number(*number));
    WireSpan {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map_or_else(Vec::new, |parent| parent.to_vec()),
        name: span.name.to_owned(),
        kind: span.kind as i32,
        start_time_unix_nano: unix_ns(span.from, now),
        end_time_unix_nano: unix_ns(span.to, now),
        attributes: span.facts.iter().map(number).collect(),
    }
}

fn fact(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}
