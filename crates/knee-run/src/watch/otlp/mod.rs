//! Metrics for an OpenTelemetry collector (OTLP over HTTP, in JSON), sent from a thread of its own: a
//! collector that is absent, slow or refuses costs samples and a line in the log, never the service.

mod asked;
mod outbox;
mod resource;

pub use asked::Collector;
pub use outbox::Outbox;

use super::nanos;
use crate::log::say;
use crate::size::metadata::Documents;
use knee_watch::Sample;
use knee_watch::otlp::{Round, export};
use knee_watch::prometheus::Counts;

/// Makes documents for the outbox.
pub struct Exporter {
    outbox: Outbox,
    resource: Vec<(String, String)>,
    began: u64,
}

impl Exporter {
    /// Of the task that the metadata describes; it is asked, which takes a second at most, where it has
    /// not been or said nothing then.
    pub fn new(outbox: Outbox, documents: Option<Documents>) -> Exporter {
        Exporter { outbox, resource: resource::resource(documents), began: nanos() }
    }

    /// One more round.
    pub fn export(&self, samples: &[Sample], counts: &Counts) {
        let (began, now, resource) = (self.began, nanos(), &self.resource);
        match serde_json::to_vec(&export(&Round { samples, counts, began, now, resource })) {
            Ok(document) => self.outbox.put(document),
            Err(error) => say(format_args!("metrics for OpenTelemetry: {error}")),
        }
    }
}
