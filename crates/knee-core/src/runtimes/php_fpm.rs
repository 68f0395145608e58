//! PHP-FPM: a pool of processes that serve one request each.
//!
//! Source: <https://www.php.net/manual/en/install.fpm.configuration.php>.

use super::{DecodeError, Evidence, Injection, Runtime, Surroundings, Told, from_to, is};
use crate::model::{Concurrency, Serial};
use crate::observe::Reading;
use crate::settings::{Effect, Knob, Range, Settings, Site, Value};

/// PHP's FastCGI process manager.
pub static RUNTIME: Runtime = Runtime {
    id: "php-fpm",
    title: "PHP-FPM",
    front: false,
    recognise,
    knobs,
    default,
    settle,
    suits: |_, _| true,
    model,
    stop: 3,
    reload: Some(12),
    inject,
    decode,
};

const SOCKET: &str = "/run/knee-fpm-status.sock";
const PAGE: &str = "/knee-status";

fn recognise(evidence: &Evidence) -> Option<String> {
    is(evidence.program, "php-fpm").then(|| "the command runs php-fpm".into())
}

fn ini(key: &'static str) -> Vec<Site> {
    vec![Site::Ini { key: key.into() }]
}

fn knobs() -> Vec<Knob> {
    let knob = |name: &'static str, doc: &'static str, unit: &'static str, range, effect| Knob {
        name: name.into(),
        doc: doc.into(),
        unit: unit.into(),
        range,
        sites: ini(name),
        effect,
    };
    let managers = Range::Choices(vec!["static".into(), "dynamic".into(), "ondemand".into()]);
    vec![
        knob(
            "pm",
            "how children are kept: all at once, spare ones, or on demand",
            "",
            managers,
            Effect::Concurrency,
        ),
        knob(
            "pm.max_children",
            "most children: requests served at once",
            "processes",
            from_to(1, 128),
            Effect::Concurrency,
        ),
        knob(
            "pm.start_servers",
            "children at the start (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "pm.min_spare_servers",
            "fewest idle children (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "pm.max_spare_servers",
            "most idle children (dynamic)",
            "processes",
            from_to(1, 128),
            Effect::Follows,
        ),
        knob(
            "listen.backlog",
            "connections that wait to be accepted; the kernel caps it at somaxconn",
            "connections",
            from_to(64, 4096),
            Effect::Limit,
        ),
    ]
}

/// As the pool file of Debian and of the official image says where it sets them; php-fpm has no
/// default for pm and pm.max_children.
fn default(knob: &str, _: &Surroundings) -> Option<Value> {
    Some(match knob {
        "pm" => "dynamic".into(),
        "pm.max_children" => 5.into(),
        "pm.start_servers" => 2.into(),
        "pm.min_spare_servers" => 1.into(),
        "pm.max_spare_servers" => 3.into(),
        "listen.backlog" => 511.into(),
        _ => return None,
    })
}

/// 1 <= min <= start <= max spare <= max_children, as php-fpm demands under dynamic.
fn settle(settings: &Settings) -> Settings {
    let Some(most) = settings.int("pm.max_children") else { return settings.clone() };
    let spare = |knob, missing: i64| settings.int(knob).unwrap_or(missing);
    let min = spare("pm.min_spare_servers", 1).clamp(1, most.max(1));
    let max = spare("pm.max_spare_servers", 3).clamp(min, most.max(min));
    let start = spare("pm.start_servers", 2).clamp(min, max);
    settings
        .with("pm.min_spare_servers", min)
        .with("pm.max_spare_servers", max)
        .with("pm.start_servers", start)
}

fn model(settings: &Settings, _: &Surroundings) -> Option<Concurrency> {
    let children = settings.int("pm.max_children")?.clamp(1, 100_000) as u32;
    Some(Concurrency {
        processes: children,
        slots: Some(children),
        cores: children.into(),
        serial: Serial::Worker,
    })
}

/// A socket of its own (PHP 8.0 and later): it answers while every child is busy.
fn inject() -> Option<Injection> {
    let entry = |key: &'static str, value: &str| (Site::Ini { key: key.into() }, value.to_string());
    Some(Injection {
        entries: vec![entry("pm.status_listen", SOCKET), entry("pm.status_path", PAGE)],
        files: vec![],
        answers: vec![Told::FastCgi { listen: SOCKET, page: PAGE }],
    })
}

/// The status page as JSON (`?json`): a flat object with keys such as `active processes`.
/// Source: <https://www.php.net/manual/en/fpm.status.php>.
fn decode(answer: &[u8]) -> Result<Vec<Reading>, DecodeError> {
    let broken = |problem: &str| DecodeError { runtime: "php-fpm", problem: problem.into() };
    let text = std::str::from_utf8(answer).map_err(|_| broken("not UTF-8"))?;
    let names = [
        ("\"active processes\"", "fpm.active", "processes"),
        ("\"idle processes\"", "fpm.idle", "processes"),
        ("\"listen queue\"", "fpm.listen_queue", "connections"),
        ("\"max children reached\"", "fpm.max_children_reached", "times"),
        ("\"slow requests\"", "fpm.slow_requests", "requests"),
    ];
    let readings: Vec<Reading> = names
        .into_iter()
        .filter_map(|(key, name, unit)| {
            let value = number_after(text, key)?;
            Some(Reading { name: name.into(), value, unit: unit.into() })
        })
        .collect();
    if readings.is_empty() { Err(broken("no field of the status page")) } else { Ok(readings) }
}

/// The number of a member of a flat JSON object.
fn number_after(text: &str, key: &str) -> Option<f64> {
    let rest = text.split_once(key)?.1.trim_start().strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_page_of_php_8_2() {
        let page = br#"{"pool":"www","process manager":"static","start time":1795480000,"start since":4,"accepted conn":12,"listen queue":3,"max listen queue":5,"listen queue len":511,"idle processes":1,"active processes":4,"total processes":5,"max active processes":5,"max children reached":2,"slow requests":0}"#;
        let readings = decode(page).unwrap();
        let value = |name: &str| readings.iter().find(|r| r.name == name).unwrap().value;
        assert_eq!(
            (value("fpm.active"), value("fpm.idle"), value("fpm.listen_queue")),
            (4.0, 1.0, 3.0)
        );
        assert!(decode(b"File not found.").is_err());
    }
}
