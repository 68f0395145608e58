//! Images that services build on: what they start, and which files of theirs have to be stood in
//! for when the service runs on the host's own programs.

use crate::blueprint::Blueprint;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known of a public image.
pub(crate) struct Official {
    /// Program and arguments where nothing else is said.
    pub command: &'static [&'static str],
    /// The working folder where nothing else is said.
    pub workdir: &'static str,
    /// Variables that its program needs here to find the image's files.
    pub variables: &'static [(&'static str, &'static str)],
    /// Files of its own that count, as far as they do.
    files: &'static [(&'static str, &'static str)],
    /// A user that its files name and this host may lack.
    user: Option<&'static str>,
}

/// Images that stand beside a service, by what their name begins with or holds.
const FOREIGN: [&str; 34] = [
    "amazon/",
    "aws-observability/",
    "datadog/",
    "newrelic/",
    "fluent/",
    "grafana/",
    "otel/",
    "prom/",
    "bitnami/",
    "envoyproxy/",
    "public.ecr.aws/",
    "ghcr.io/open-telemetry/",
    "docker.io/",
    "aws-for-fluent-bit",
    "aws-otel-collector",
    "aws-xray-daemon",
    "amazon-ecs-",
    "cloudwatch-agent",
    "splunk/",
    "dynatrace/",
    "hashicorp/",
    "redis",
    "postgres",
    "mysql",
    "mariadb",
    "mongo",
    "memcached",
    "rabbitmq",
    "traefik",
    "haproxy",
    "nginx",
    "envoy",
    "busybox",
    "alpine",
];

/// What is known of an image, by its name with its tag.
pub(crate) fn image(name: &str) -> Option<&'static Official> {
    let name = name.split('@').next().unwrap_or_default();
    let registries = ["docker.io/", "public.ecr.aws/docker/", "mirror.gcr.io/", "library/"];
    let name = registries.iter().fold(name, |name, r| name.strip_prefix(r).unwrap_or(name));
    let (name, tag) = name.split_once(':').unwrap_or((name, ""));
    match name {
        "nginx" | "nginxinc/nginx-unprivileged" | "public.ecr.aws/nginx/nginx" => Some(&NGINX),
        "php" if tag.split('-').any(|part| part == "fpm") => Some(&PHP_FPM),
        _ => None,
    }
}

/// Source: <https://github.com/nginx/docker-nginx>.
static NGINX: Official = Official {
    command: &["nginx", "-g", "daemon off;"],
    workdir: "/",
    variables: &[],
    files: &[(
        "/etc/nginx/nginx.conf",
        "user nginx;\nworker_processes auto;\nerror_log /dev/stderr notice;\npid /run/nginx.pid;\n\n\
         events {\n    worker_connections 1024;\n}\n\n\
         http {\n    include /etc/nginx/mime.types;\n    default_type application/octet-stream;\n    \
         access_log /dev/stdout;\n    sendfile on;\n    keepalive_timeout 65;\n    \
         include /etc/nginx/conf.d/*.conf;\n}\n",
    )],
    user: Some("nginx"),
};

/// Source: <https://github.com/docker-library/php>. Its files are read in alphabetical order.
static PHP_FPM: Official = Official {
    command: &["php-fpm"],
    workdir: "/var/www/html",
    // An empty part is the folder that PHP was built with.
    variables: &[("PHP_INI_SCAN_DIR", ":/usr/local/etc/php/conf.d")],
    files: &[
        ("/usr/local/etc/php-fpm.conf", "[global]\ninclude=/usr/local/etc/php-fpm.d/*.conf\n"),
        (
            "/usr/local/etc/php-fpm.d/docker.conf",
            "[global]\nerror_log = /proc/self/fd/2\n\n[www]\naccess.log = /proc/self/fd/2\n\
             clear_env = no\ncatch_workers_output = yes\ndecorate_workers_output = no\n",
        ),
        (
            "/usr/local/etc/php-fpm.d/www.conf",
            "[www]\nuser = www-data\ngroup = www-data\nlisten = 127.0.0.1:9000\npm = dynamic\n\
             pm.max_children = 5\npm.start_servers = 2\npm.min_spare_servers = 1\n\
             pm.max_spare_servers = 3\n",
        ),
        (
            "/usr/local/etc/php-fpm.d/zz-docker.conf",
            "[global]\ndaemonize = no\n\n[www]\nlisten = 9000\n",
        ),
    ],
    user: None,
};

/// Where PHP-FPM of Debian looks, version by version.
const DEBIAN_PHP: &str = "/etc/php";

/// Whether an image makes its configuration of templates.
pub(crate) fn has_templates(name: &str) -> bool {
    image(name).is_some_and(|official| std::ptr::eq(official, &NGINX))
}

/// The files that stand in for those of the images that containers build on.
pub(crate) fn stand_ins(blueprints: &[Blueprint]) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for official in blueprints.iter().filter_map(|b| b.image().and_then(image)) {
        files.extend(official.files.iter().map(|(path, text)| (path.into(), text.to_string())));
        files.extend(official.user.into_iter().flat_map(with_user));
        if std::ptr::eq(official, &PHP_FPM) {
            // The host's own PHP-FPM is led to the image's configuration.
            let leads = |version: PathBuf| {
                (version.join("fpm/php-fpm.conf"), "include=/usr/local/etc/php-fpm.conf\n".into())
            };
            files.extend(php_versions().into_iter().map(leads));
        }
    }
    files.dedup_by(|a, b| a.0 == b.0);
    files
}

/// Paths of the image at which the host's program looks elsewhere: where it looks.
pub(crate) fn elsewhere(official: &Official, at: &Path) -> Vec<PathBuf> {
    let is_ini = at == Path::new("/usr/local/etc/php/php.ini");
    if !std::ptr::eq(official, &PHP_FPM) || !is_ini {
        return Vec::new();
    }
    php_versions().into_iter().map(|version| version.join("fpm/php.ini")).collect()
}

fn php_versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(DEBIAN_PHP).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("fpm").is_dir()).collect()
}

/// The host's users and groups and one more of each, where it lacks that; numbers as in the image.
fn with_user(name: &str) -> Vec<(PathBuf, String)> {
    let lines = [
        ("/etc/passwd", format!("{name}:x:101:101::/nonexistent:/usr/sbin/nologin")),
        ("/etc/group", format!("{name}:x:101:")),
    ];
    let with = |(path, line): (&str, String)| {
        let known = fs::read_to_string(path).ok()?;
        let there = known.lines().any(|line| line.split(':').next() == Some(name));
        (!there).then(|| (path.into(), format!("{}\n{line}\n", known.trim_end())))
    };
    lines.into_iter().filter_map(with).collect()
}

/// Whether an image is a public one, which stands beside services.
pub(crate) fn is_foreign(image: &str) -> bool {
    FOREIGN.iter().any(|name| match name.strip_suffix('/') {
        Some(_) => image.starts_with(name),
        None => {
            let repository = image.rsplit('/').next().unwrap_or(image);
            let repository = repository.split([':', '@']).next().unwrap_or(repository);
            // `nginx` is public, `123.dkr.ecr.eu-central-1.amazonaws.com/nginx` is the user's.
            let public = !image.contains('/') && repository == *name;
            public || (name.contains('-') && repository.contains(name))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_name() {
        let command = |name| image(name).map(|official| official.command[0]);
        assert_eq!(command("nginx:1.27-alpine"), Some("nginx"));
        assert_eq!(
            command("public.ecr.aws/docker/library/php:8.3-fpm-bookworm@sha256:1"),
            Some("php-fpm")
        );
        assert_eq!(command("php:8.3-cli"), None);
        assert_eq!(command("my/nginx"), None);
    }

    #[test]
    fn the_files_are_what_their_programs_read() {
        let parses = |path: &str, text: &str| match path.ends_with("nginx.conf") {
            true => crate::formats::nginx::Nginx::parse(text, "main").map(drop),
            false => crate::formats::ini::Ini::parse(text).map(drop),
        };
        for (path, text) in NGINX.files.iter().chain(PHP_FPM.files) {
            assert_eq!(parses(path, text), Ok(()), "{path}");
        }
        assert!(elsewhere(&NGINX, Path::new("/usr/local/etc/php/php.ini")).is_empty());
    }

    #[test]
    fn public_images_are_not_the_users() {
        for (image, foreign) in [
            ("nginx:1.27", true),
            ("datadog/agent:7", true),
            ("public.ecr.aws/aws-observability/aws-for-fluent-bit:stable", true),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/aws-for-fluent-bit:1", true),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/nginx:7", false),
            ("orders-go:latest", false),
            ("${REGISTRY}/orders:1", false),
        ] {
            assert_eq!(is_foreign(image), foreign, "{image}");
        }
    }
}
