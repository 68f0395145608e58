//! php-fpm children that are made only when a burst waits for them.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Found, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("fpm-spare-servers-few", include_str!("fpm_spare_servers_few.md"), check);

/// php-fpm's own: <https://www.php.net/manual/en/install.fpm.configuration.php#pm.max-spare-servers>.
const SPARE: f64 = 3.0;

/// A pool as small as this is forked in a moment.
const SMALL: f64 = 8.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, container, program)| {
            program.word("php_fpm.pm").filter(|pm| *pm == "dynamic")?;
            let children = program.setting("php_fpm.pm.max_children")?;
            let most = children.get()?.number().filter(|n| *n >= SMALL)?;
            let spare = match program.setting("php_fpm.pm.max_spare_servers") {
                None => SPARE,
                Some(set) => set.get()?.number()?,
            };
            (spare * 4.0 <= most).then(|| {
                let message = format!("after a quiet minute {spare} of {most} children are left: a burst waits while the others are forked, a few at a time");
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, "php_fpm.pm.max_spare_servers"), message)
                    .severity(Severity::Low)
                    .confidence(Confidence::Medium)
                    .label(format!("keeps {spare}"))
                    .beside(Some(children).and_then(Found::place), format!("of {most}"))
                    .remedy("set pm = static where the container serves nothing else: its memory is reserved anyway")
            })
        })
        .collect()
}
