//! A collector: it receives OTLP over HTTP.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

/// A span as it was received, with the attributes of its resource.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) span: Span,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&told));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, told }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

async fn receive(State(told): State<Arc<Mutex<Vec<Told>>>>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    for of_resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        let resource = texts(&of_resource.resource.unwrap().attributes);
        let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        told.lock().unwrap().extend(spans.map(|span| Told { resource: resource.clone(), span }));
    }
}

/// Attributes as texts.
pub(crate) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        _ => None,
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute).unwrap())).collect()
}

/// An id as people write it.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
