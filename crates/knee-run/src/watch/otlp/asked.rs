//! Where metrics are sent: what `--otlp` says, else the variables that OpenTelemetry has for it
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>,
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use knee_probe::http;

/// Below the address of a collector.
const PATH: &str = "/v1/metrics";
/// gRPC's port, which takes nothing that is sent here.
const GRPC: &str = ":4317";

/// A collector.
#[derive(Clone, PartialEq)]
pub struct Collector {
    /// Where it takes metrics.
    pub url: String,
    /// Fields of the head: keys and passwords as a rule.
    pub fields: Vec<(String, String)>,
}

/// Without what is in the head, and without what an address may hold before its `@`.
impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Collector {
    /// At the address that `--otlp` names, with or without the path of metrics.
    ///
    /// # Errors
    /// It is none that can be asked from here.
    pub fn at(url: &str, variable: Variable) -> Result<Collector, String> {
        let base = url.trim_end_matches('/');
        let url = format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base));
        checked("--otlp", url, variable)
    }

    /// Where the environment names one for metrics.
    ///
    /// # Errors
    /// What is named cannot be used.
    pub fn of_environment(variable: Variable) -> Result<Option<Collector>, String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let off = set("OTEL_SDK_DISABLED").is_some_and(|on| on.eq_ignore_ascii_case("true"))
            || set("OTEL_METRICS_EXPORTER")
                .is_some_and(|to| to.split(',').all(|to| to.trim() != "otlp"));
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let own = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
        let (name, url) = match (set(own), set(base)) {
            _ if off => return Ok(None),
            (Some(url), _) => (own, url),
            (None, Some(url)) => (base, format!("{}{PATH}", url.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let protocol = set("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")
            .or_else(|| set("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        if protocol.as_deref() == Some("grpc") || (protocol.is_none() && address.ends_with(GRPC)) {
            return Err(format!(
                "{name} is for gRPC, which is not spoken here; --otlp names the collector's HTTP port, \
                 such as http://localhost:4318"
            ));
        }
        checked(name, url, variable).map(Some)
    }
}

fn checked(name: &str, url: String, variable: Variable) -> Result<Collector, String> {
    if !http::is_url(&url) {
        // Not the address itself: it may hold a password.
        return Err(format!(
            "{name}: metrics go to http://HOST:PORT, such as http://otel-collector:4318; https is not spoken: a \
             collector beside the service (http://localhost:4318) sends on by TLS"
        ));
    }
    let headers = variable("OTEL_EXPORTER_OTLP_METRICS_HEADERS")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS"))
        .unwrap_or_default();
    let fit = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control());
    let fields = list(&headers).into_iter().filter(|(name, value)| fit(name) && fit(value));
    Ok(Collector { url, fields: fields.collect() })
}

/// `a=1,b=2`, as W3C's baggage: values may have `%20` and the like in them.
pub fn list(text: &str) -> Vec<(String, String)> {
    let entry = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        Some((name.trim().to_string(), unescaped(value.trim())))
    };
    text.split(',').filter_map(entry).filter(|(name, _)| !name.is_empty()).collect()
}

/// With the bytes that `%41` and the like stand for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(set: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        Ok(Collector::of_environment(&variable)?.map(|collector| collector.url))
    }

    #[test]
    fn the_environment_names_it_as_for_every_exporter() {
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let url = |text: &str| Ok(Some(text.to_string()));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(
            of(&[(base, "http://localhost:4318/")]),
            url("http://localhost:4318/v1/metrics")
        );
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:9/own");
        assert_eq!(of(&[(base, "http://localhost:4318"), own]), url("http://127.0.0.1:9/own"));
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")] {
            assert_eq!(of(&[(base, "http://localhost:4318"), off]), Ok(None));
        }
        let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let both = url("http://localhost:4317/v1/metrics");
        assert_eq!(
            of(&[(base, "http://localhost:4317"), http]),
            both,
            "a collector takes both there"
        );
    }

    #[test]
    fn what_cannot_be_asked_is_said_without_the_address() {
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert!(of(&[(base, "http://localhost:4317")]).unwrap_err().contains("is for gRPC"));
        assert!(of(&[(base, "http://localhost:4318"), grpc]).unwrap_err().contains("is for gRPC"));
        for url in ["https://x:secret@collector", "http://x:secret@collector:4318"] {
            let wrong = of(&[(base, url)]).unwrap_err();
            assert!(wrong.contains("https is not spoken") && !wrong.contains("secret"), "{wrong}");
        }
        assert!(
            Collector::at("localhost:4318", &|_| None)
                .unwrap_err()
                .starts_with("--otlp: metrics go to")
        );
    }

    #[test]
    fn the_flag_names_it_with_or_without_the_path() {
        for url in ["http://localhost:4318", "http://localhost:4318/v1/metrics/"] {
            let collector = Collector::at(url, &|_| None).unwrap();
            assert_eq!(collector.url, "http://localhost:4318/v1/metrics");
        }
    }

    #[test]
    fn fields_of_the_head_are_a_list_and_are_not_shown() {
        let headers = "api-key=a%20b%, x-scope = 7 ,none,=x,bad=%0a";
        let collector = Collector::at("http://[::1]:4318", &|name| {
            (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| headers.into())
        });
        let collector = collector.unwrap();
        let fields = [("api-key", "a b%"), ("x-scope", "7")].map(|(n, v)| (n.into(), v.into()));
        assert_eq!(collector.fields, fields);
        assert!(!format!("{collector:?}").contains("a b"));
    }

    proptest! {
        #[test]
        fn any_list_is_survived(text in ".{0,60}") {
            list(&text);
        }
    }
}
