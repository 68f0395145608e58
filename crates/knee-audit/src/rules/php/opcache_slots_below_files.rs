//! Fewer slots in OPcache than the application has files.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{php_code, programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("opcache-slots-below-files", include_str!("opcache_slots_below_files.md"), check);

/// What the number of slots is rounded up to:
/// <https://www.php.net/manual/en/opcache.configuration.php#ini.opcache.max-accelerated-files>.
const PRIMES: [u64; 16] = [
    223, 463, 983, 1979, 3907, 7963, 16229, 32531, 65407, 130_987, 262_237, 524_521, 1_048_793, u64::MAX, u64::MAX, u64::MAX,
];
const DEFAULT: f64 = 10_000.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::PhpFpm | Runtime::Apache | Runtime::Octane))
        .filter_map(|(service, container, program)| {
            let name = "opcache.max_accelerated_files";
            let asked = match program.setting(name) {
                Some(set) => set.get()?.number()?,
                None => DEFAULT,
            };
            let slots = slots(asked as u64);
            let (files, _) = php_code(subject, program)?;
            let enough = (files * 5 / 4).max(10_000);
            (files > slots).then(|| {
                let message = format!("the application has {files} PHP files, OPcache holds {slots}: the rest is compiled at every request");
                Finding::new(RULE.name, &service.name, setting_or_start(container, program, name), message)
                    .label(format!("rounded up to {slots} slots"))
                    .remedy(format!("set opcache.max_accelerated_files to {enough}"))
                    .set(subject, program.setting(name), enough.to_string(), Safety::Safe)
            })
            .map(|finding| match program.settings.iter().find(|(own, set)| own.starts_with("opcache.") && set.is_written()) {
                // Beside the file's other settings of OPcache.
                Some((_, beside)) if program.setting(name).is_none() => {
                    let Some(place) = beside.place() else { return finding };
                    finding.below(subject, place, &[".ini"], &format!("{name}={enough}"), Safety::Safe)
                }
                _ => finding,
            })
        })
        .collect()
}

fn slots(asked: u64) -> u64 {
    PRIMES.into_iter().find(|prime| *prime >= asked).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_prime_of_the_list() {
        assert_eq!((slots(4000), slots(10_000), slots(32_531)), (7963, 16229, 32531));
    }
}
