//! Traces: what a run, an import or a request does, and how long each of its parts takes, to a collector of the operator's by OTLP over HTTP.
//!
//! They are for whoever looks for what is slow, and no record of anything: what can't be sent is dropped, and nothing waits for a collector. So they have names and figures alone, as the log has, and never the
//! log's own lines. How much is kept, what the service is called and which headers are sent along say the variables that every program with OpenTelemetry heeds (`OTEL_TRACES_SAMPLER`,
//! `OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS`).
//!
//! The library sends from a thread of its own, which knows no runtime; so the client has one, which lives as long as the traces do.

use std::fmt::Display;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use crate::outward;

/// What the service is called, where nobody calls it otherwise.
const SERVICE: &str = "consign";
/// How long a collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long what is left is sent at the end.
const LAST: Duration = Duration::from_secs(3);
/// Where collectors take traces.
const PATH: &str = "/v1/traces";

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The address is none of a collector.
    #[error("'{0}' is not where a collector takes traces by HTTP: write it as http://127.0.0.1:4318")]
    Address(String),
    /// They could not be begun.
    #[error("traces could not be begun: {0}")]
    Begin(String),
}

/// Traces that go to a collector.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To a collector. Nothing is asked of it yet: one that is away keeps nobody from starting.
    pub fn to(collector: &str) -> Result<Self, TracesError> {
        let wrong = || TracesError::Address(collector.chars().take(200).flat_map(char::escape_debug).collect());
        let mut url = reqwest::Url::parse(collector).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        if url.path() == "/" {
            url.set_path(PATH);
        }
        let begin = |error: &dyn Display| TracesError::Begin(error.to_string());
        let client = Client::new(outward::is_loopback(&url)).map_err(|error| begin(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(url)
            .with_timeout(ANSWER)
            .with_http_client(client)
            .build()
            .map_err(|error| begin(&error))?;
        let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let resource = if std::env::var_os("OTEL_SERVICE_NAME").is_some() { resource } else { resource.with_service_name(SERVICE) };
        Ok(Self(SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build()))
    }

    /// What hears of the spans of our own rooms.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = FilterFn::new(|about| about.is_span() && about.target().starts_with("consign"));
        let layer = tracing_opentelemetry::layer().with_location(false).with_threads(false).with_tracer(self.0.tracer(SERVICE));
        layer.with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            warn!("the last traces could not be sent: {error}");
        }
    }
}

/// What sends them.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Runtime,
}

impl Client {
    fn new(is_here: bool) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("traces").enable_all().build();
        Ok(Self { http: outward::client(is_here, ANSWER)?, runtime: runtime.map_err(|error| error.to_string())? })
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let sending = self.runtime.spawn(async move {
            let answer = request.send().await?;
            // What it says of what it took is of no use to anybody; it ends within the client's time.
            Ok::<_, reqwest::Error>((answer.status(), answer.headers().clone(), answer.bytes().await?))
        });
        let (status, headers, bytes) = sending.await?.map_err(|error| outward::cause(error, ANSWER))?;
        let mut response = Response::new(bytes);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
