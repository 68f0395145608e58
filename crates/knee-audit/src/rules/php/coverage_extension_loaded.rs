//! Extensions for tests in the image that serves.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::{Place, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("coverage-extension-loaded", include_str!("coverage_extension_loaded.md"), check);

/// Commands that load an extension for every PHP process from then on.
const LOADING: [&str; 2] = ["docker-php-ext-enable", "install-php-extensions"];

fn check(subject: &Subject) -> Vec<Finding> {
    let serves = |r| matches!(r, Runtime::PhpFpm | Runtime::Apache | Runtime::Octane | Runtime::Worker);
    programs(subject, serves)
        .filter_map(|(service, container, _)| {
            let runs = &container.image.as_ref()?.runs;
            let text = |run: &Place| subject.picture.files.text(run);
            let (at, name) = runs.iter().find_map(|run| loaded(text(run)).map(|(range, name)| {
                (Place::new(run.file, run.span.start + range.start..run.span.start + range.end), name)
            }))?;
            let off = container.env.get("XDEBUG_MODE").and_then(|mode| mode.get()).is_some_and(|mode| mode == "off");
            let removed = runs.iter().any(|run| text(run).contains(&format!("{name}.ini")) && text(run).contains("rm "));
            if removed || (off && name == "xdebug") {
                return None;
            }
            let message = format!("{name} is loaded in the image that serves: it is for tests, and hooks into every function that PHP compiles or calls");
            let finding = Finding::new(RULE.name, &service.name, &at, message)
                .severity(if name == "xdebug" { Severity::Medium } else { Severity::Low })
                .label("loaded into every PHP process")
                .remedy("install it in a stage of its own for tests, built on this one");
            Some(finding)
        })
        .collect()
}

/// Where a RUN that asks for nothing before loads such an extension, and which.
fn loaded(run: &str) -> Option<(std::ops::Range<usize>, &'static str)> {
    if run.contains("if ") || run.contains("[ ") || run.contains("case ") {
        return None;
    }
    LOADING.iter().flat_map(|command| run.match_indices(command)).find_map(|(command, _)| {
        let end = run[command..].find(['&', ';', '|']).map_or(run.len(), |end| command + end);
        ["xdebug", "pcov"].into_iter().find_map(|name| {
            let at = command + run[command..end].find(name)?;
            Some((at..at + name.len(), name))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_a_run_counts() {
        let name = |run: &str| loaded(run).map(|(range, name)| (&run[range] == name).then_some(name));
        assert_eq!(name("docker-php-ext-enable opcache && docker-php-ext-enable xdebug"), Some(Some("xdebug")));
        assert_eq!(name("docker-php-ext-enable opcache; pecl install pcov"), None);
        assert_eq!(name("if test $CI; then docker-php-ext-enable pcov; fi"), None);
    }
}
