//! The rules: one file each, with its page beside it. Pure functions of a [`Subject`].
//!
//! A name reads well behind "allow": `allow keepalive-below-idle-timeout`.

#[cfg(test)]
pub(crate) mod contract;
mod keep_alive;
mod reading;
mod rewrite;

use crate::Subject;
use crate::finding::Finding;
use crate::page::Page;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in words with hyphens.
    pub name: &'static str,
    /// Its page.
    pub page: Page,
    /// What it finds.
    pub check: fn(&Subject) -> Vec<Finding>,
}

impl Rule {
    const fn new(
        name: &'static str,
        page: &'static str,
        check: fn(&Subject) -> Vec<Finding>,
    ) -> Rule {
        Rule { name, page: Page(page), check }
    }
}

macro_rules! rules {
    ($($group:ident: $($rule:ident),+;)+) => {
        $(mod $group { $(pub mod $rule;)+ })+
        /// Every rule, by group.
        pub fn rules() -> &'static [&'static Rule] {
            static ALL: &[&Rule] = &[$($(&$group::$rule::RULE),+),+];
            ALL
        }
        #[cfg(test)]
        static FILES: &[(&str, &str)] = &[$($((stringify!($group), stringify!($rule))),+),+];
    };
}

rules! {
    load_balancer: keepalive_below_idle_timeout, upstream_keepalive_beyond_application,
        deregistration_delay_zero, health_check_without_grace;
    stopping: graceful_period_beyond_stop_timeout, supervisor_kill_before_drain, signal_swallowed_by_shell,
        package_runner_as_init, sigterm_unhandled, exit_before_drain, shutdown_that_throws,
        closed_server_as_fatal, interrupt_only, fpm_stop_without_drain, spot_without_stop_timeout,
        stop_signal_unwanted, shutdown_deadline_short,
        handler_without_exit;
    size: workers_from_host_cpus, gomaxprocs_from_host, fpm_children_default, fpm_children_beyond_memory,
        workers_beyond_memory, heap_beyond_memory, gomemlimit_unset, gomemlimit_beyond_memory,
        gogc_off_beside_others, fargate_size_invalid, setting_on_wrong_container;
    descriptors: nofile_default_on_ec2, connections_beyond_nofile;
    php: opcache_off, opcache_timestamps_checked, opcache_slots_below_files, opcache_memory_below_code,
        opcache_strings_below_code, opcache_off_under_octane,
        static_property_growing, singleton_with_request, fpm_spare_servers_few, fpm_backlog_short,
        fpm_children_recycled_often, jit_for_web_requests, job_retried_while_running,
        coverage_extension_loaded;
    python: deprecated_uvicorn_worker, removed_eventlet_worker, forwarded_allow_ips_any,
        max_requests_without_jitter, reload_in_production, uwsgi_without_master, uwsgi_without_harakiri,
        blocking_call_in_coroutine, request_without_timeout, sync_worker_for_asgi, thread_timeout_unbounded,
        single_sync_worker, gunicorn_setting_unknown, uwsgi_option_unknown, gevent_blocking_driver;
    celery: late_acks_without_reject, prefetch_with_late_acks, solo_pool, redelivery_of_running_task,
        scheduler_in_scaled_service;
    node: sync_call_in_handler, thread_per_request, server_timeouts_disabled, thread_pool_below_users,
        axios_without_timeout, listener_added_again;
    golang: server_without_timeouts, server_without_shutdown, client_without_timeout, response_body_left_open,
        goroutine_left_waiting, pooled_object_unreset, listen_error_ignored, rows_left_open;
    database: connections_beyond_limit, client_per_module;
    serving: development_server, option_given_twice;
}

/// The rule of a name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules().iter().copied().find(|rule| rule.name == name)
}
