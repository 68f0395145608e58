//! What to do about each kind of trouble, for each runtime where that differs.

use super::Kind;

/// In a sentence.
pub fn of(kind: Kind, runtime: Option<&str>) -> &'static str {
    match (kind, runtime) {
        (Kind::MemoryLeak, Some("gunicorn")) => {
            "replace workers before memory is full (--max-requests with --max-requests-jitter), and find what grows (tracemalloc)"
        }
        (Kind::MemoryLeak, Some("php-fpm")) => {
            "replace children before memory is full (pm.max_requests), and find what grows: static properties, caches in extensions"
        }
        (Kind::MemoryLeak, Some("celery")) => {
            "replace children before memory is full (--max-memory-per-child), and find what grows"
        }
        (Kind::MemoryLeak, Some("node")) => {
            "compare two heap snapshots (--heapsnapshot-signal); until it is found let tasks be replaced in time"
        }
        (Kind::MemoryLeak, Some("go")) => {
            "compare two heap profiles (go tool pprof -diff_base); goroutines that hang hold memory, too"
        }
        (Kind::MemoryLeak, _) => "find what grows; until then let the task be replaced in time",
        (Kind::DescriptorLeak, _) => {
            "list them (ls -l /proc/PID/fd): what most of them are is what nobody closes, response bodies and connections as a rule"
        }
        (Kind::GoroutineLeak, _) => {
            "see where they wait: /debug/pprof/goroutine?debug=1; a channel that nobody reads, a request without a time-out"
        }
        (Kind::EventLoopDrift, _) => {
            "something that is done for each request gets longer: a list that is searched, listeners that are added"
        }
        (Kind::OpcacheWaste, _) => {
            "files change under a running pool: deploy new images, set opcache.validate_timestamps=0"
        }
        (Kind::PoolSaturated, Some("php-fpm")) => {
            "more children as far as memory allows (pm.max_children), or fewer seconds of waiting in each request"
        }
        (Kind::PoolSaturated, _) => {
            "more workers or threads as far as memory allows, or fewer seconds of waiting in each request; knee tune finds how many"
        }
        (Kind::EventLoopBlocked, _) => {
            "hand what computes to a worker thread, in smaller steps to the loop, or make the call asynchronous; knee watch --profile 10s draws where its time goes"
        }
        (Kind::CpuThrottled, _) => {
            "a larger task or more tasks; fewer workers or threads than CPU where they compute"
        }
        (Kind::DescriptorsNearLimit, _) => {
            "raise nofile (ulimits in the task definition), and look for what is never closed"
        }
        (Kind::MemoryNearLimit, _) => "a larger task, fewer workers, or a smaller heap limit",
        (Kind::OpcacheMisses, _) => "see the cause; knee explain and knee audit name the setting",
    }
}
