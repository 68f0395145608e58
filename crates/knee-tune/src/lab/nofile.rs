//! The limit of open files that a container can be given on this host.

use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Soft and hard limit that a container gets where these are asked for: beyond its own hard
/// limit a process needs CAP_SYS_RESOURCE (getrlimit(2)).
pub fn granted_nofile((soft, hard): (u64, u64)) -> (u64, u64) {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if hard <= most || may_raise() {
        return (soft, hard);
    }
    (soft.min(most), most)
}

fn may_raise() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_RESOURCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_host_allows_and_never_more_than_asked() {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(granted_nofile((16, 32)), (16, 32));
        let (soft, hard) = granted_nofile((1 << 19, 1 << 20));
        let expected =
            if may_raise() { (1 << 19, 1 << 20) } else { (most.min(1 << 19), most.min(1 << 20)) };
        assert_eq!((soft, hard), expected);
    }
}
