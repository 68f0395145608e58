//! More php-fpm children than the memory holds.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{Place, Program, Runtime, Service};
use crate::rules::Rule;
use crate::rules::reading::{each, memory, mib, processes, programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("fpm-children-beyond-memory", include_str!("fpm_children_beyond_memory.md"), check);

/// What a child needs of its own at the least: the sum of 32 small ones by PSS was 58 MB, with a
/// framework's work in hand it is ten times that.
const CHILD: f64 = 16.0 * 1024.0 * 1024.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::PhpFpm)
        .filter_map(|(service, container, program)| {
            let (children, at) = processes(program)?;
            // What a task has is the most that one of its containers can have.
            let task = || Some((*service.task.memory.as_ref()?.get()?, service.task.memory.as_ref()?.place()?));
            let (limit, limit_at) = memory(service, container).or_else(task)?;
            let whose = if container.memory.is_some() { "the container" } else { "the task" };
            let each = each(subject, program, CHILD);
            let needed = each.shared + children * each.bytes;
            if needed <= limit as f64 {
                return few(service, program, children, at.unwrap_or(start(container, program)), (limit as f64, limit_at), whose);
            }
            Some({
                let message = format!("{children} children {} need {}, {whose} has {}", each.said(), mib(needed), mib(limit as f64));
                Finding::new(RULE.name, &service.name, at.unwrap_or(start(container, program)), message)
                    .severity(Severity::High)
                    .confidence(if each.measured.is_some() { Confidence::High } else { Confidence::Medium })
                    .label(format!("{children} children"))
                    .beside(Some(limit_at), mib(limit as f64))
                    .beside(each.measured, "what one takes, measured")
                    .remedy("lower pm.max_children or give the task more memory; `knee tune` measures what a child needs")
            })
        })
        .collect()
}

/// Children of which so few fill the memory, if each takes what PHP lets it take, are too many.
const FEW: f64 = 2.0;

fn few(service: &Service, program: &Program, children: f64, at: &Place, (limit, limit_at): (f64, &Place), whose: &str) -> Option<Finding> {
    let allowed = program.setting("php.memory_limit")?;
    let bytes = allowed.get()?.number().filter(|bytes| *bytes > 0.0)?;
    (children > FEW && FEW * bytes >= limit).then(|| {
        let message = format!("memory_limit lets each of {children} children take {}, {whose} has {}: two such requests at once end it", mib(bytes), mib(limit));
        Finding::new(RULE.name, &service.name, at, message)
            .severity(Severity::Medium)
            .confidence(Confidence::Medium)
            .label(format!("{children} children"))
            .beside(allowed.place(), format!("{} each", mib(bytes)))
            .beside(Some(limit_at), mib(limit))
            .remedy("lower memory_limit to what the largest request needs, and pm.max_children to what is left for the others")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn two_children_that_may_take_all() {
        let found = |limit: &str| {
            let dockerfile = "FROM php:8.4-fpm\nCOPY . /var/www\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCMD [\"php-fpm\"]\n";
            let pool = format!("[www]\npm = static\npm.max_children = 8\nphp_admin_value[memory_limit] = {limit}\n");
            let task = r#"{"family": "web", "cpu": "512", "memory": "1024", "containerDefinitions": [{"name": "web", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/web"}]}"#;
            check(&subject(&[("Dockerfile", dockerfile), ("pool.conf", &pool), ("index.php", "<?php\n"), ("task-definition.json", task)])).len()
        };
        assert_eq!((found("512M"), found("256M"), found("-1")), (1, 0, 0));
    }

    #[test]
    fn of_a_task_with_another_container() {
        let found = |limit: &str| {
            let dockerfile = "FROM php:8.4-fpm\nCOPY . /var/www\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCMD [\"php-fpm\"]\n";
            let pool = format!("[www]\npm = static\npm.max_children = 8\nphp_admin_value[memory_limit] = {limit}\n");
            let task = r#"{"family": "web", "cpu": "512", "memory": "1024", "containerDefinitions": [{"name": "web", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/web"}, {"name": "front", "image": "nginx"}]}"#;
            check(&subject(&[("Dockerfile", dockerfile), ("pool.conf", &pool), ("index.php", "<?php\n"), ("task-definition.json", task)])).len()
        };
        assert_eq!((found("512M"), found("256M")), (1, 0));
    }
}
