//! The JSON document of `knee watch`. Its form is described in docs/schema/watch-1.json.

use crate::failure::Failure;
use crate::watch::text::limiting;
use knee_core::observe::Resource;
use knee_watch::Sample;
use serde::Serialize;
use std::time::UNIX_EPOCH;

/// Rises when a member goes away or changes its meaning; new members may come at any time.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    knee: &'static str,
    /// Seconds since 1970-01-01 UTC.
    at: u64,
    limited_by: Option<Named<'a>>,
    services: &'a [Sample],
}

#[derive(Serialize)]
struct Named<'a> {
    service: &'a str,
    pid: i32,
    resource: Resource,
    evidence: &'a str,
}

/// A line with the document of an interval.
pub fn document(services: &[Sample]) -> Result<String, Failure> {
    let limited_by = limiting(services)
        .filter(|sample| sample.limit.resource != Resource::Unknown)
        .map(|sample| Named {
            service: &sample.name,
            pid: sample.pid,
            resource: sample.limit.resource,
            evidence: &sample.limit.evidence,
        });
    let at = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let knee = env!("CARGO_PKG_VERSION");
    let document = Document { version: VERSION, knee, at, limited_by, services };
    let text = serde_json::to_string(&document).map_err(std::io::Error::from)?;
    Ok(text + "\n")
}
