//! Which of several environments a path is about: what is for production counts.

/// What environments for production are called, the usual names first.
pub const PRODUCTION: [&str; 4] = ["production", "prod", "prd", "live"];

/// What others are called.
const OTHERS: [&str; 14] = [
    "dev",
    "develop",
    "development",
    "staging",
    "stage",
    "stg",
    "test",
    "testing",
    "qa",
    "uat",
    "sandbox",
    "preview",
    "nonprod",
    "preprod",
];

/// Words before the name of one that make another of it: `non-prod`.
const BEFORE: [&str; 3] = ["non", "not", "pre"];

/// Whether a path speaks of production. The innermost name counts: all environments may stand below
/// `live/`.
pub fn is_production(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(['/', '.', '-', '_']).collect();
    let named = |word: &&str| PRODUCTION.contains(word) || OTHERS.contains(word);
    let Some(at) = words.iter().rposition(named) else { return false };
    let before = at.checked_sub(1).is_some_and(|before| BEFORE.contains(&words[before]));
    PRODUCTION.contains(&words[at]) && !before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_environments() {
        for (path, is) in [
            ("envs/prod/terragrunt.hcl", true),
            ("docker-compose.production.yml", true),
            ("live/web/terragrunt.hcl", true),
            ("live/stage/web/terragrunt.hcl", false),
            ("live/prod/web/terragrunt.hcl", true),
            ("non-prod/us-east-1/web/terragrunt.hcl", false),
            ("nonprod.tfvars", false),
            ("pre_prod.tfvars", false),
            ("products/task.json", false),
        ] {
            assert_eq!(is_production(path), is, "{path}");
        }
    }
}
