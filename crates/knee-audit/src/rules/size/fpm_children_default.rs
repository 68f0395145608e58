//! php-fpm left at five children.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("fpm-children-default", include_str!("fpm_children_default.md"), check);

/// What php-fpm's sample pool says, of which nobody chose anything:
/// <https://github.com/php/php-src/blob/master/sapi/fpm/www.conf.in>.
const SAMPLE: [(&str, f64); 4] = [
    ("php_fpm.pm.max_children", 5.0),
    ("php_fpm.pm.start_servers", 2.0),
    ("php_fpm.pm.min_spare_servers", 1.0),
    ("php_fpm.pm.max_spare_servers", 3.0),
];

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter(|(_, _, program)| is_started(program))
        .filter(|(_, _, program)| program.setting("php_fpm.pm").is_none_or(|pm| pm.is_written() || pm.get().is_some()))
        .filter_map(|(service, container, program)| {
            let start = start(container, program);
            let written = program.setting(SAMPLE[0].0).filter(|most| most.is_written());
            let (at, label) = match written {
                None => (start, "no pool configuration sets pm.max_children"),
                Some(most) => (most.place().filter(|_| is_sample(program))?, "as in php-fpm's sample"),
            };
            Some(
                Finding::new(
                    RULE.name,
                    &service.name,
                    at,
                    "pm.max_children stays at the 5 of php-fpm's sample pool: the sixth request waits, however small the load on CPU and memory",
                )
                .confidence(Confidence::Medium)
                .label(label)
                .beside(written.map(|_| start), "what has five children")
                .remedy("measure it with `knee tune`; a first value is the task's memory without what is shared, over what one child needs"),
            )
        })
        .collect()
}

/// Whether a pool's numbers are all the sample's.
fn is_sample(program: &Program) -> bool {
    let same = |(name, sample): &(&str, f64)| {
        let number = program.setting(name).and_then(|found| found.get()?.number());
        number == Some(*sample)
    };
    program.word("php_fpm.pm") == Some("dynamic") && SAMPLE.iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_copy_of_the_sample_and_five_that_somebody_chose() {
        let dockerfile = "FROM php:8.4-fpm\nCOPY . /var/www\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCMD [\"php-fpm\"]\n";
        let found = |spare: u8| {
            let pool = format!("[www]\npm = dynamic\npm.max_children = 5\npm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = {spare}\n");
            check(&subject(&[("Dockerfile", dockerfile), ("pool.conf", &pool), ("index.php", "<?php\n")]))
        };
        assert!(found(4).is_empty());
        let copy = found(3);
        assert_eq!((copy.len(), &*copy[0].further[0].text), (1, "what has five children"));
    }
}
