//! One GET of a document from an address of this machine.

use std::time::Duration;

/// The body of a 200, or the reason why there is none.
pub fn get(url: &str, patience: Duration, most: u64) -> Result<Vec<u8>, String> {
    let config = ureq::Agent::config_builder()
        // It is asked itself, whatever the environment says, and nobody else.
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(patience))
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut answer = agent.get(url).call().map_err(|e| e.to_string())?;
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(most).read_to_vec();
    let body = body.map_err(|e| e.to_string())?;
    if status == 200 {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let shown: String = first.chars().filter(|c| !c.is_control()).take(120).collect();
    Err(format!("it answered with status {}: {shown}", status.as_u16()))
}
