//! Files of settings that nothing is seen to start.

use super::{Join, empty};
use crate::picture::files::{FileId, Place};
use crate::picture::follow::Follower;
use crate::picture::found::{Datum, Found};
use crate::picture::program::{Chain, Program, Runtime, Shell};
use crate::picture::service::{Container, Deployment, Service, Task};
use crate::picture::settings::Reader;
use crate::picture::values::Context;
use std::collections::BTreeMap;

/// What a file of settings is for, by its name and a word that only such a file has.
enum Kind {
    Supervisord,
    Pool,
    PhpIni,
    Nginx,
    RoadRunner,
    Caddy,
    Octane,
    Uwsgi,
    Gunicorn,
}

fn kind(name: &str, text: &str) -> Option<Kind> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let ini = name.ends_with(".ini");
    let conf = name.ends_with(".conf") || name.contains("nginx") && !name.contains("docker");
    let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
    let blocks = ["server {", "server{", "http {", "upstream ", "worker_connections"];
    Some(match () {
        () if (conf || ini) && has(&["[program:"]) => Kind::Supervisord,
        () if (conf || ini) && has(&["pm.max_children"]) => Kind::Pool,
        () if conf && name.contains("php-fpm") => Kind::Pool,
        () if ini && (name.contains("php") || name.contains("opcache")) => Kind::PhpIni,
        () if conf && has(&blocks) => Kind::Nginx,
        () if yaml && name.starts_with(".rr") => Kind::RoadRunner,
        () if name == "caddyfile" && has(&["frankenphp", "php_server"]) => Kind::Caddy,
        () if name == "octane.php" => Kind::Octane,
        () if ini && has(&["[uwsgi]"]) => Kind::Uwsgi,
        () if name.ends_with(".py")
            && (name.contains("gunicorn") || name.ends_with("_conf.py")) =>
        {
            Kind::Gunicorn
        }
        () => return None,
    })
}

impl Join {
    pub(super) fn loose(&mut self) {
        for id in self.ids() {
            if self.used.contains(&id) {
                continue;
            }
            let name = self.name(id);
            let text = self.picture.files.get(id).text.clone();
            let Some(kind) = kind(&name, &text) else { continue };
            let mut programs = self.told(id, kind);
            programs
                .retain(|program| !program.settings.is_empty() || !program.chain.links.is_empty());
            if programs.is_empty() {
                continue;
            }
            let place = Place::new(id, 0..0);
            let container = Container { programs, ..empty(&name, place.clone()) };
            self.picture.services.push(Service {
                name,
                purpose: self.purpose(id),
                deployment: Deployment::Loose,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }

    /// The programs that a file tells of.
    fn told(&self, id: FileId, kind: Kind) -> Vec<Program> {
        let (files, index) = (&self.picture.files, &self.index);
        let (mut reader, context) = (Reader::new(files, index, None), Context::default());
        let mut settings = BTreeMap::new();
        let runtime = match kind {
            Kind::Supervisord => {
                let mut follower = Follower::new(files, index, None, Shell::Unknown);
                follower.supervisor(id, &context, &[]);
                return follower.found.into_iter().map(|found| reader.program(found)).collect();
            }
            Kind::Pool => {
                reader.pool(id, &context, &mut settings);
                Runtime::PhpFpm
            }
            Kind::PhpIni => {
                reader.ini(id, &context, &mut settings);
                Runtime::PhpFpm
            }
            Kind::Nginx => {
                if !reader.nginx_file(id, &mut settings) {
                    return Vec::new();
                }
                Runtime::Nginx
            }
            Kind::RoadRunner => {
                reader.roadrunner(id, &mut settings);
                Runtime::Octane
            }
            Kind::Caddy => {
                reader.caddyfile(id, &mut settings);
                Runtime::Octane
            }
            Kind::Octane => {
                reader.octane_php(id, &[], &mut settings);
                Runtime::Octane
            }
            Kind::Uwsgi => {
                reader.uwsgi_file(id, &mut settings);
                Runtime::Uwsgi
            }
            Kind::Gunicorn => {
                reader.gunicorn_file(id, &mut settings);
                Runtime::Gunicorn
            }
        };
        vec![bare(runtime, settings, id)]
    }
}

/// A program of which only a file of settings is known.
fn bare(runtime: Runtime, settings: BTreeMap<String, Found<Datum>>, id: FileId) -> Program {
    Program {
        runtime,
        version: None,
        command: Found::unknown("nothing is seen to start it", Place::new(id, 0..0)),
        settings,
        chain: Chain { unknown: Some("nothing is seen to start it".into()), ..Chain::default() },
        front: false,
        folder: None,
        sources: Vec::new(),
    }
}
