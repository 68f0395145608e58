//! `knee audit`: what is deployed, and what is wrong with it under load.

use crate::atomic;
use crate::audit::{self, Format, Report, report};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use clap::{Args, ValueEnum};
use knee_audit::fix::{Fixed, fixes};

use knee_audit::suppress::{Allow, Baseline, Sorted, fingerprints, sort};
use knee_audit::{Finding, Persona, Severity, Subject, rule};
use knee_files::config::{Config, Mistakes};
use std::path::{Component, Path, PathBuf};

/// What the baseline beside what is read is called.
const BASELINE: &str = "knee-audit.baseline.json";

/// Read what is deployed and report what loses requests, memory or capacity
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  knee audit                        this folder
  knee audit services/api           one service of many
  knee audit --fix --diff           what the safe fixes would change
  knee audit --facts                what was discovered, and who says so
  knee audit --format sarif > knee.sarif
  knee audit --write-baseline       report only what is new from now on

A comment beside a place allows a rule there, with a reason; [[allow]] in knee.toml does so elsewhere:
  workers = cpu_count()  # knee: allow workers-from-host-cpus because the host is ours

Exit codes: 0 nothing at or above --fail-on; 1 something; 2 usage; 3 no service found.")]
pub struct Flags {
    /// Folders or files to read; the service's folder when left out
    paths: Vec<PathBuf>,
    /// Make the safe fixes
    #[arg(long)]
    fix: bool,
    /// Make the fixes that need a look afterwards, too
    #[arg(long)]
    unsafe_fixes: bool,
    /// With a fix: show the changes and write nothing
    #[arg(long)]
    diff: bool,
    /// Form of the report
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Format,
    /// Show what was discovered instead, each value with its origin
    #[arg(long, conflicts_with_all = ["fix", "unsafe_fixes", "diff"])]
    facts: bool,
    /// Least severity that makes knee end with 1
    #[arg(long, value_name = "SEVERITY", default_value = "low")]
    fail_on: FailOn,
    /// How many false alarms are welcome
    #[arg(long, value_name = "WHO", default_value = "regular")]
    persona: Who,
    /// Findings that are known and not reported; knee-audit.baseline.json beside what is read when left out
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write today's findings to the baseline, and report nothing
    #[arg(long, conflicts_with_all = ["fix", "unsafe_fixes", "diff", "facts"])]
    write_baseline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Low,
    Medium,
    High,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Few: what a careful engineer would agree with
    Regular,
    /// What may be deliberate, too
    Pedantic,
    /// Whatever could be wrong
    Auditor,
}

/// Reads, reports and mends.
pub fn run(root: &Path, flags: &Flags) -> Result<Exit, Failure> {
    let paths = if flags.paths.is_empty() { vec![PathBuf::new()] } else { flags.paths.clone() };
    refuse(flags, paths.len())?;
    let baseline = flags.baseline.as_ref().map(|named| root.join(named));
    let mut worst = Exit::Nothing;
    for path in paths {
        // Of several, one that something is found in counts most, one that is empty least.
        let exit = of(&root.join(path), flags, baseline.as_deref())?;
        worst = match (worst, exit) {
            (Exit::Unsatisfied, _) | (_, Exit::Unsatisfied) => Exit::Unsatisfied,
            (Exit::Nothing, other) | (other, Exit::Nothing) => other,
            (before, _) => before,
        };
    }
    Ok(worst)
}

/// What cannot be done together.
fn refuse(flags: &Flags, paths: usize) -> Result<(), Failure> {
    let document = matches!(flags.format, Format::Json | Format::Sarif);
    if document && paths > 1 {
        let told = "one document tells of one path, and several are given";
        return Err(Failure::new(Exit::Refused, told)
            .remedy("name the folder around them, or run knee audit for each"));
    }
    if flags.write_baseline && flags.baseline.is_some() && paths > 1 {
        let told = "a baseline holds the findings of one path, and several are given";
        return Err(Failure::new(Exit::Refused, told)
            .remedy("leave --baseline out: each path then gets one of its own"));
    }
    if flags.facts && !matches!(flags.format, Format::Text | Format::Json) {
        let told = "facts are told as text or json";
        return Err(Failure::new(Exit::Refused, told).remedy("the other forms are for findings"));
    }
    if flags.diff && !flags.fix && !flags.unsafe_fixes {
        let told = "--diff shows what a fix would change, and none is asked for";
        return Err(Failure::new(Exit::Refused, told).remedy("add --fix or --unsafe-fixes"));
    }
    Ok(())
}

fn of(root: &Path, flags: &Flags, named: Option<&Path>) -> Result<Exit, Failure> {
    let subject = read(root)?;
    let folder = &folder(root);
    if subject.picture.services.is_empty() {
        let whole: std::path::PathBuf = root.components().collect();
        out::talk(&format!("{}: nothing that is deployed was found\n", whole.display()));
        notes(&subject, folder);
        return Ok(Exit::Nothing);
    }
    if flags.facts {
        out::data(&audit::facts(&subject, flags.format == Format::Json))?;
        return Ok(Exit::Satisfied);
    }
    let (allows, own) = (allows(root)?, beside(root).join(BASELINE));
    if flags.write_baseline {
        return write_baseline(named.unwrap_or(&own), flags, &subject, allows);
    }
    let known = Known { allows, baseline: baseline(&own, named)? };
    let found = sorted(&subject, flags, &known);
    if flags.fix || flags.unsafe_fixes {
        let fixed = fixes(&subject, &found.kept, flags.unsafe_fixes);
        if flags.diff {
            fixed.iter().try_for_each(|f| {
                out::data(&audit::diff(&audit::named(folder, &f.path), &f.before, &f.after))
            })?;
            return Ok(Exit::Satisfied);
        }
        write(root, &subject, &fixed)?;
        let again = read(root)?;
        return show(&again, folder, sorted(&again, flags, &known), flags);
    }
    show(&subject, folder, found, flags)
}

fn read(root: &Path) -> Result<Subject, Failure> {
    let subject = Subject::read(root);
    subject.map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", root.display())))
}

/// What is not to be reported.
struct Known {
    allows: Vec<Allow>,
    baseline: Baseline,
}

fn sorted(subject: &Subject, flags: &Flags, known: &Known) -> Sorted {
    sort(subject, subject.findings(persona(flags)), &known.allows, &known.baseline)
}

/// `[[allow]]` of the knee.toml beside what is read.
fn allows(root: &Path) -> Result<Vec<Allow>, Failure> {
    let path = beside(root).join("knee.toml");
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read
            .map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", path.display())))?,
    };
    let refused = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Refused, format!("{}:{error}", path.display()))
    };
    let wrong = |mistakes: Mistakes| Failure::new(Exit::Refused, mistakes.of(path.display()));
    let config = Config::parse(&text).map_err(wrong)?;
    let known = config.allows.into_iter().map(|stated| match rule(&stated.value.rule) {
        Some(_) => Ok(Allow {
            rule: stated.value.rule,
            path: stated.value.path,
            because: stated.value.because,
        }),
        None => {
            let told = format!("{}: no rule is called `{}`", stated.line, stated.value.rule);
            Err(refused(&told).remedy("`knee explain` lists the rules"))
        }
    });
    known.collect()
}

/// The folder of what is read as it is named from where knee was started; empty for that folder
/// itself, and where it lies elsewhere.
fn folder(root: &Path) -> String {
    let own = beside(root);
    let here = std::env::current_dir().unwrap_or_default();
    let below = own.strip_prefix(&here).unwrap_or(own);
    let mut names = Vec::new();
    for part in below.components() {
        match part {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::CurDir => {}
            _ => return String::new(),
        }
    }
    names.join("/")
}

/// The folder of what is read.
fn beside(root: &Path) -> &Path {
    if root.is_file() { root.parent().unwrap_or(Path::new("")) } else { root }
}

fn persona(flags: &Flags) -> Persona {
    match flags.persona {
        Who::Regular => Persona::Regular,
        Who::Pedantic => Persona::Pedantic,
        Who::Auditor => Persona::Auditor,
    }
}

fn show(subject: &Subject, folder: &str, sorted: Sorted, flags: &Flags) -> Result<Exit, Failure> {
    for (place, text) in &sorted.notes {
        let (path, line, column) = subject.picture.files.position(place);
        let path = audit::named(folder, path);
        out::talk(&format!("note: {path}:{line}:{column}: {text}\n"));
    }
    notes(subject, folder);
    let exit = exit(&sorted.kept, flags.fail_on);
    let prints = fingerprints(subject, &sorted.kept);
    let findings: Vec<(Finding, String)> = sorted.kept.into_iter().zip(prints).collect();
    let shown = Report {
        subject,
        folder,
        findings: &findings,
        allowed: &sorted.allowed,
        width: out::width(),
    };
    out::data(&report(&shown, flags.format))?;
    Ok(exit)
}

fn notes(subject: &Subject, folder: &str) {
    for note in &subject.picture.notes {
        let at = note.at.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        let path = audit::named(folder, &note.path);
        out::talk(&format!("note: {path}{at}: {}\n", note.text));
    }
}

fn exit(findings: &[Finding], fail_on: FailOn) -> Exit {
    let least = match fail_on {
        FailOn::Low => Severity::Low,
        FailOn::Medium => Severity::Medium,
        FailOn::High => Severity::High,
        FailOn::Never => return Exit::Satisfied,
    };
    let found = findings.iter().any(|finding| finding.severity >= least);
    if found { Exit::Unsatisfied } else { Exit::Satisfied }
}

/// Writes each file whole or not at all. A file that no longer reads as before is put back.
fn write(root: &Path, subject: &Subject, fixed: &[Fixed]) -> Result<(), Failure> {
    let path =
        |fixed: &Fixed| if root.is_file() { root.to_path_buf() } else { root.join(&fixed.path) };
    let put = |path: &Path, text: &str| {
        atomic::write(path, text)
            .map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", path.display())))
    };
    for one in fixed {
        let now = std::fs::read_to_string(path(one)).unwrap_or_default();
        if now != one.before {
            out::talk(&format!("{}: has changed meanwhile and was left alone\n", one.path));
            continue;
        }
        put(&path(one), &one.after)?;
        let again = read(root)?;
        let broken =
            |s: &Subject| s.picture.notes.iter().filter(|note| note.path == one.path).count();
        if broken(&again) > broken(subject) {
            put(&path(one), &one.before)?;
            out::talk(&format!("{}: the fix would not read and was taken back\n", one.path));
        } else {
            out::talk(&format!("{}: {}\n", one.path, one.rules.join(", ")));
        }
    }
    Ok(())
}

/// The findings that are known: of a file that is named and then has to be there, else of one's own.
fn baseline(own: &Path, named: Option<&Path>) -> Result<Baseline, Failure> {
    let path = named.unwrap_or(own);
    let refused = |told: String| {
        Failure::new(Exit::Refused, told).remedy("write it anew with --write-baseline")
    };
    let text = match std::fs::read_to_string(path) {
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Baseline::default());
        }
        read => read.map_err(|error| refused(format!("{}: {error}", path.display())))?,
    };
    let baseline: Baseline = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        refused(format!("{}:{line}:{column}: is no baseline: {error}", path.display()))
    })?;
    if baseline.version != Baseline::VERSION {
        let (other, own) = (baseline.version, Baseline::VERSION);
        let told = format!(
            "{}: is a baseline of version {other}, and this knee reads {own}",
            path.display()
        );
        return Err(refused(told));
    }
    Ok(baseline)
}

fn write_baseline(
    path: &Path,
    flags: &Flags,
    subject: &Subject,
    allows: Vec<Allow>,
) -> Result<Exit, Failure> {
    let kept = sorted(subject, flags, &Known { allows, baseline: Baseline::default() }).kept;
    let baseline = Baseline::of(subject, &kept);
    let text = serde_json::to_string_pretty(&baseline).expect("a baseline is plain data") + "\n";
    atomic::write(path, &text)
        .map_err(|error| Failure::new(Exit::Refused, format!("{}: {error}", path.display())))?;
    let count = audit::many(baseline.findings.len(), "finding");
    out::talk(&format!("{}: {count}\n", path.display()));
    Ok(Exit::Satisfied)
}
