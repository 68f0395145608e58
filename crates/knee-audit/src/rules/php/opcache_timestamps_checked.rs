//! OPcache that looks for changes in an image that never changes.

use crate::Subject;
use crate::finding::{Finding, Safety, Severity};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{on, programs};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-timestamps-checked", include_str!("opcache_timestamps_checked.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache | Runtime::Octane))
        .filter(|(_, container, _)| container.image.as_ref().is_some_and(|image| image.copies_code && image.volumes.is_empty()))
        .filter_map(|(service, _, program)| {
            let name = "opcache.validate_timestamps";
            let set = program.setting(name).filter(|set| set.is_written())?;
            let every = program.number("opcache.revalidate_freq") == Some(0.0);
            if on(program, name, true) != Some(true) {
                return None;
            }
            let finding = Finding::new(
                RULE.name,
                &service.name,
                set.place()?,
                "the files of an image do not change, but OPcache asks the file system for their times",
            )
            .severity(if every { Severity::Medium } else { Severity::Low })
            .label("checked")
            .beside(program.setting("opcache.revalidate_freq").and_then(Found::place), "and how often")
            .remedy("set opcache.validate_timestamps=0 in the image; a new release is a new container")
            .set(subject, Some(set), "0", Safety::Safe);
            Some(finding)
        })
        .collect()
}
