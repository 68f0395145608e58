//! Requests when each is alone: whether they are answered at all, and whether the goal leaves
//! them the time that they take without any load.

use super::TuneError;
use super::run::Run;
use crate::stage::Stage;
use knee_core::settings::Effect;
use knee_core::workload::Request;
use knee_core::{Goal, Seconds};
use knee_measure::Reply;

/// How often a request that seems too slow is looked at again: a first one compiles, fills caches
/// and opens connections.
const LOOKS: usize = 3;

impl Run<'_> {
    /// Why no setting can hold the goal, where requests miss it even alone. A knob of the user's
    /// own may do anything: where there is one, nothing is said.
    pub fn hopeless(&self, stage: &Stage) -> Result<Option<String>, TuneError> {
        let (requests, goal) = (&self.request.requests, &self.request.goal.value);
        let own = |knob: &knee_core::service::PlacedKnob| knob.knob.effect == Effect::Unknown;
        if self.request.service.knobs().any(|(_, knob)| own(knob)) {
            return Ok(None);
        }
        let seconds = || -> Result<Vec<f64>, TuneError> {
            Ok(stage.ask()?.iter().map(|reply| reply.seconds).collect())
        };
        let mut least = seconds()?;
        for _ in 0..LOOKS {
            if too_slow(requests, &least, goal).is_none() {
                return Ok(None);
            }
            for (least, now) in least.iter_mut().zip(seconds()?) {
                *least = least.min(now);
            }
        }
        Ok(too_slow(requests, &least, goal))
    }
}

/// What is to be known of requests whose answers only lead elsewhere (a login, another path): they
/// are cheap, and nobody's work.
pub(super) fn redirected(requests: &[Request], replies: &[Reply]) -> Vec<String> {
    let leads = |reply: &&Reply| matches!(reply.status, Ok(300..=399));
    let told = |reply: &Reply| {
        let Request { method, path, .. } = &requests[reply.request];
        let status = reply.status.clone().unwrap_or_default();
        format!("{method} {path} answers {status}: the redirect is measured, not what it leads to")
    };
    replies.iter().filter(leads).map(told).collect()
}

/// The requests that take longer than the goal allows, where they are more of the traffic than
/// may miss it.
fn too_slow(requests: &[Request], seconds: &[f64], goal: &Goal) -> Option<String> {
    let slow = || requests.iter().zip(seconds).filter(|(_, s)| Seconds(**s) > goal.latency);
    let all: f64 = requests.iter().map(|request| request.weight).sum();
    let share = slow().map(|(request, _)| request.weight).sum::<f64>() / all;
    let (request, took) = slow().max_by(|a, b| a.1.total_cmp(b.1))?;
    (share > 1.0 - goal.quantile).then(|| {
        let part = match share < 1.0 {
            true => format!(" and such are {:.0} % of the requests", share * 100.0),
            false => String::new(),
        };
        format!(
            "{} {} takes {} even when it is alone{part}: {} < {} cannot hold, as no setting makes a single request faster",
            request.method,
            request.path,
            Seconds(*took),
            goal.quantile_name(),
            goal.latency
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(weights: &[f64]) -> Vec<Request> {
        let request = |weight: &f64| Request { weight: *weight, ..Request::get("/a") };
        weights.iter().map(request).collect()
    }

    #[test]
    fn an_answer_that_leads_elsewhere_is_told() {
        let reply = |status| Reply { request: 0, status, seconds: 0.1 };
        let told =
            redirected(&mix(&[1.0]), &[reply(Ok(302)), reply(Ok(200)), reply(Err("x".into()))]);
        let said = "GET /a answers 302: the redirect is measured, not what it leads to";
        assert_eq!(told, [said]);
    }

    #[test]
    fn a_goal_is_hopeless_when_more_requests_miss_it_alone_than_may() {
        let goal: Goal = "p99<300ms".parse().unwrap();
        let said = too_slow(&mix(&[1.0]), &[0.4], &goal).unwrap();
        assert!(
            said.starts_with("GET /a takes 400 ms even when it is alone: p99 < 300 ms"),
            "{said}"
        );
        assert_eq!(too_slow(&mix(&[1.0]), &[0.2], &goal), None);
        let said = too_slow(&mix(&[3.0, 1.0]), &[0.01, 0.4], &goal).unwrap();
        assert!(said.contains("and such are 25 % of the requests"), "{said}");
        assert_eq!(too_slow(&mix(&[200.0, 1.0]), &[0.01, 0.4], &goal), None, "p99 forgives it");
        let median: Goal = "p50<300ms".parse().unwrap();
        assert_eq!(too_slow(&mix(&[3.0, 1.0]), &[0.01, 0.4], &median), None);
    }
}
