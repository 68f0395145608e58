//! `knee explain`: exit codes, terms, resources, and what may be turned.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::terms;
use clap::Args;
use knee_core::runtimes::{self, Runtime};
use knee_core::settings::{Knob, Site};
use knee_plan::prices::Prices;
use std::fmt::Write;

/// Explain an exit code, a word of a report, a runtime or a knob; prices
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee explain                     what can be explained
  knee explain exit-codes
  knee explain capacity            a word of the report
  knee explain prices              the file that `knee plan --prices` reads
  knee explain keepalive-below-idle-timeout
                                   a rule of knee audit: why, examples, sources
  knee explain gunicorn            what knee can turn there
  knee explain pm.max_children     one knob: what it does, its range, its places")]
pub struct Flags {
    /// What to explain
    topic: Vec<String>,
}

/// Prints the page of a topic.
pub fn run(flags: &Flags) -> Result<Exit, Failure> {
    let topic = flags.topic.join(" ");
    let page = if topic.is_empty() { Some(topics()) } else { page(&topic) };
    let Some(page) = page else {
        let what = format!("nothing is known of `{topic}`");
        return Err(Failure::new(Exit::Refused, what).remedy("`knee explain` lists all topics"));
    };
    out::data(&page)?;
    Ok(Exit::Satisfied)
}

fn page(topic: &str) -> Option<String> {
    let asked = plain(topic);
    if matches!(asked.as_str(), "exit codes" | "exit code") {
        return Some(exit_codes(&Exit::ALL));
    }
    if asked == "prices" {
        return Some(Prices::SHIPPED.into());
    }
    if let Some(exit) = Exit::ALL.iter().find(|exit| exit.code().to_string() == asked) {
        return Some(exit_codes(&[*exit]));
    }
    if let Some((_, text)) = terms::all().find(|(name, _)| plain(name) == asked) {
        return Some(format!("{text}\n"));
    }
    if let Some(rule) = knee_audit::rule(topic.trim().trim_start_matches("allow-")) {
        return Some(rule_page(rule));
    }
    let runtime = runtimes::all().iter().find(|r| plain(r.id) == asked || plain(r.title) == asked);
    runtime.map(|runtime| about(runtime)).or_else(|| knobs(&asked))
}

/// `CPU quota`, `cpu_quota` and `cpu-quota` are one word.
fn plain(text: &str) -> String {
    text.trim().to_lowercase().replace(['-', '_'], " ")
}

fn exit_codes(exits: &[Exit]) -> String {
    exits.iter().map(|exit| format!("{:>4}  {}\n", exit.code(), exit.meaning())).collect()
}

fn topics() -> String {
    let mut text = String::from("exit-codes\nprices\n\nwords of a report\n");
    terms::all().for_each(|(name, _)| text += &format!("  {name}\n"));
    text += "\nrules of knee audit\n";
    knee_audit::rules().iter().for_each(|rule| text += &format!("  {}\n", rule.name));
    text += "\nruntimes and their knobs\n";
    for runtime in runtimes::all() {
        let names: Vec<String> = (runtime.knobs)().iter().map(|k| k.name.to_string()).collect();
        let _ = writeln!(text, "  {}: {}", runtime.id, names.join(", "));
    }
    text
}

/// The page, and what holds for every rule.
fn rule_page(rule: &knee_audit::Rule) -> String {
    let name = rule.name;
    format!(
        "{}\n## How to suppress it\n\nA comment on the line, or on the one above, allows it there: `knee: allow {name} because …`\n\
         behind the sign that the language has for comments. A baseline (`knee audit --write-baseline`)\n\
         keeps all that is known today.\n",
        rule.page.0
    )
}

fn about(runtime: &Runtime) -> String {
    let mut text = format!("{}\n", runtime.title);
    for knob in (runtime.knobs)() {
        text += "\n";
        text += &described(runtime, &knob);
    }
    text
}

/// A knob of that name, in each runtime that has one.
fn knobs(asked: &str) -> Option<String> {
    let mut pages = Vec::new();
    for runtime in runtimes::all() {
        let named = (runtime.knobs)().into_iter().find(|knob| plain(&knob.name) == asked);
        pages.extend(named.map(|knob| described(runtime, &knob)));
    }
    (!pages.is_empty()).then(|| pages.join("\n"))
}

fn described(runtime: &Runtime, knob: &Knob) -> String {
    let mut text = format!("{} ({})\n  {}\n", knob.name, runtime.title, knob.doc);
    let unit = if knob.unit.is_empty() { String::new() } else { format!(" {}", knob.unit) };
    let _ = writeln!(text, "  range: {}{unit}", knob.range);
    for (index, site) in knob.sites.iter().enumerate() {
        let label = if index == 0 { "where:" } else { "else: " };
        let _ = writeln!(text, "  {label} {}", place(site));
    }
    text
}

/// Where a setting is written, in words.
fn place(site: &Site) -> String {
    match site {
        Site::Flag { long, short: Some(short) } => format!("the option {long} or {short}"),
        Site::Flag { long, short: None } => format!("the option {long}"),
        Site::Environment { name } => format!("the environment variable {name}"),
        Site::EnvironmentFlag { name, long } => {
            format!("{long}=VALUE in the environment variable {name}")
        }
        Site::PythonAssignment { name } => {
            format!("{name} = VALUE in the Python file of its settings")
        }
        Site::Ini { key } => format!("{key} = VALUE in its INI file"),
        Site::Property { key } => format!("{key}: VALUE in its ecosystem file"),
        Site::Directive { context, name } => {
            format!("the directive {name} in the block {context} of its configuration")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::observe::Resource;

    #[test]
    fn every_topic_that_is_listed_has_a_page() {
        for (name, text) in terms::all() {
            assert!(text.len() > 40, "{name}");
            assert!(page(name).unwrap().contains(text), "{name}");
        }
        for runtime in runtimes::all() {
            let all = page(runtime.id).unwrap();
            for knob in (runtime.knobs)() {
                let one = page(&knob.name).unwrap_or_else(|| panic!("no page of {}", knob.name));
                assert!(one.contains(&*knob.doc) && all.contains(&*knob.doc), "{}", knob.name);
            }
        }
        for rule in knee_audit::rules() {
            assert!(page(rule.name).unwrap().contains("knee: allow"), "{}", rule.name);
        }
        for exit in Exit::ALL {
            assert!(page(&exit.code().to_string()).unwrap().contains(exit.meaning()));
        }
    }

    #[test]
    fn every_resource_that_can_give_out_is_explained() {
        for resource in [
            Resource::CpuQuota,
            Resource::WorkerPool,
            Resource::EventLoop,
            Resource::Gil,
            Resource::AcceptQueue,
            Resource::Memory,
            Resource::Descriptors,
            Resource::Connections,
            Resource::GarbageCollection,
            Resource::Backend,
            Resource::Generator,
            Resource::Host,
            Resource::Unknown,
        ] {
            assert!(page(&resource.to_string()).is_some(), "{resource}");
        }
    }

    #[test]
    fn spelling_is_forgiven_and_the_unheard_is_not() {
        assert_eq!(page("cpu-quota"), page("CPU quota"));
        assert_eq!(page("EXIT_CODES"), page("exit codes"));
        assert_eq!(page("frobnication"), None);
    }
}
