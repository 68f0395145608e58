//! A synchronous call while a request is handled.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("sync-call-in-handler", include_str!("sync_call_in_handler.md"), check);

/// These take time by their purpose; the others read files, which the cache may hold.
const SLOW: [&str; 12] = [
    "execSync", "execFileSync", "spawnSync", "pbkdf2Sync", "scryptSync", "hashSync", "compareSync", "genSaltSync", "generateKeyPairSync",
    "brotliCompressSync", "gzipSync", "deflateSync",
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Node) {
        let sources = subject.code.node_of(&subject.picture.files, program);
        for (at, call) in sources.iter().flat_map(|source| &source.blocking) {
            let slow = SLOW.contains(&&**call);
            found.push(
                Finding::new(
                    RULE.name,
                    &service.name,
                    at,
                    format!("{call} holds the event loop while a request is handled: all other requests of this process wait"),
                )
                .severity(if slow { Severity::High } else { Severity::Medium })
                .label("synchronous")
                .remedy(format!("use the asynchronous form (`{}`), or do it once when the program starts", call.trim_end_matches("Sync"))),
            );
        }
    }
    found
}
