//! What supervisors start: supervisord by its file, s6-overlay by its folders of services.

use super::{DEEPEST, Follower, Reached};
use crate::picture::files::{FileId, Place};
use crate::picture::found::{Found, Known};
use crate::picture::program::{Chain, Link, LinkKind, Runtime, Shell, Supervision};
use crate::picture::values::{Context, Kind, Notation, Raw};
use knee_files::formats::tree::Node;
use knee_files::formats::word::Inner;
use knee_files::formats::{script, shell, unit};
use std::collections::BTreeMap;

/// How long s6-overlay waits for the services of `/etc/services.d`, and for what is left after
/// that, in milliseconds:
/// <https://github.com/just-containers/s6-overlay#customizing-s6-overlay-behaviour>.
const S6_GRACE: [&str; 2] = ["S6_SERVICES_GRACETIME", "S6_KILL_GRACETIME"];
const S6_DEFAULT: f64 = 3_000.0;

impl Follower<'_> {
    /// The programs of a supervisord's configuration.
    pub(super) fn supervised(&mut self, argv: &[String], context: &Context, links: Vec<Link>) {
        let named = knee_files::formats::argv::find(argv, "--configuration", Some("-c"));
        let paths = match named {
            Some(found) => vec![found.value],
            None => {
                ["supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
                    .map(String::from)
                    .to_vec()
            }
        };
        let mut todo: Vec<FileId> =
            paths.iter().find_map(|path| self.file(path)).into_iter().collect();
        if let Some(built) = self.built.filter(|_| todo.is_empty()) {
            let below = built.below(self.files, self.index, "/etc/supervisor");
            todo.extend(below.into_iter().map(|(_, id)| id));
        }
        for id in todo {
            if self.used.insert(id) {
                self.supervisor(id, context, &links);
            }
        }
    }

    /// The programs that a file of supervisord starts.
    pub fn supervisor(&mut self, id: FileId, context: &Context, links: &[Link]) {
        let text = self.files.get(id).text.clone();
        for section in unit::parse(&text, id.0) {
            let Some(name) = section.name.strip_prefix("program:") else { continue };
            let Some(command) = section.get("command") else { continue };
            let place = Place::new(id, section.range.clone());
            let at = |key: &str| section.get(key);
            let starts = at("autostart")
                .and_then(Node::inner)
                .and_then(|inner| self.value(&unit::in_shell_words(&inner).text, context));
            if starts.is_some_and(|value| value == "false") {
                continue;
            }
            let processes = at("numprocs").and_then(|node| {
                let text = unit::in_shell_words(&node.inner()?).text;
                let place = Place::new(id, node.span.range.clone());
                let raw = Raw { text, notation: Notation::Shell, place };
                Some(context.read(Kind::Number, &raw))
            });
            let stop_wait = at("stopwaitsecs").and_then(|node| {
                Some(Found::at(node.number()?, Place::new(id, node.span.range.clone())))
            });
            let supervision = Supervision {
                supervisor: "supervisord".into(),
                program: name.into(),
                place: place.clone(),
                processes,
                stop_wait: stop_wait.unwrap_or_else(|| Found::default(10.0, "supervisord")),
                stop_signal: at("stopsignal").and_then(|node| {
                    let signal = format!("SIG{}", node.text()?.trim_start_matches("SIG"));
                    Some(Found::at(signal, Place::new(id, node.span.range.clone())))
                }),
            };
            let mut links = links.to_vec();
            links.push(Link { kind: LinkKind::Supervisor(Box::new(supervision)), place });
            let Some(inner) = command.inner() else { continue };
            for statement in shell::statements(&unit::in_shell_words(&inner)) {
                let words: Vec<_> = statement.words.iter().map(|word| (id, word.clone())).collect();
                let before = self.found.len();
                self.words(words.clone(), &mut context.clone(), links.clone(), DEEPEST);
                // A command that a variable names is still one that is stopped.
                let variable = words.first().is_some_and(|(_, word)| word.text.starts_with('$'));
                if variable && self.found.len() == before {
                    self.found.push(Reached {
                        runtime: if works(name) { Runtime::Worker } else { Runtime::Other },
                        file: id,
                        words: words.into_iter().map(|(_, word)| word).collect(),
                        context: context.clone(),
                        chain: Chain { links: links.clone(), ..Chain::default() },
                        given: BTreeMap::new(),
                    });
                }
            }
        }
    }

    /// The services that s6-overlay starts: each folder with a script called `run`. Says whether
    /// there are any.
    pub(super) fn s6(&mut self, context: &Context, links: &[Link]) -> bool {
        let folders = ["etc/services.d/", "etc/s6-overlay/s6-rc.d/"];
        let mut found = Vec::new();
        for (id, file) in self.files.iter() {
            let Some(folder) = file.path.strip_suffix("/run") else { continue };
            let at = folders.iter().find_map(|f| Some((*f, folder.find(f)?)));
            let Some((kind, at)) = at else { continue };
            // It counts where the image has it at that very path.
            if self.file(&format!("/{}", &file.path[at..])) == Some(id) {
                let name = folder[at + kind.len()..].to_string();
                found.push((kind.contains("services.d"), name, folder.to_string(), id));
            }
        }
        let some = !found.is_empty();
        for (legacy, name, folder, id) in found {
            self.used.insert(id);
            let place = Place::new(id, 0..0);
            let stop_wait = if legacy { grace(context) } else { self.kill_timeout(&folder, id) };
            let stop_signal = self.beside(&folder, "down-signal").map(|(text, place)| {
                Found::at(format!("SIG{}", text.trim_start_matches("SIG")), place)
            });
            let supervision = Supervision {
                supervisor: "s6".into(),
                program: name,
                place: place.clone(),
                processes: None,
                stop_wait,
                stop_signal,
            };
            let mut links = links.to_vec();
            let kind = LinkKind::Supervisor(Box::new(supervision));
            links.push(Link { kind, place: place.clone() });
            links.push(Link {
                kind: LinkKind::Shell { shell: Shell::Unknown, script: true, traps: false },
                place,
            });
            let text = self.files.get(id).text.clone();
            let parts = script::parse(&Inner::verbatim(&text, 0..text.len()));
            self.parts(&parts, id, &mut context.clone(), &links, DEEPEST);
        }
        some
    }

    /// The time of s6-rc's `timeout-kill`, in milliseconds there; without the file it waits for ever.
    fn kill_timeout(&self, folder: &str, run: FileId) -> Found<f64> {
        let stated = self.beside(folder, "timeout-kill").and_then(|(text, place)| {
            let ms = text.parse::<f64>().ok().filter(|ms| *ms > 0.0)?;
            Some(Found::at(ms / 1000.0, place))
        });
        stated.unwrap_or_else(|| {
            Found::unknown("s6-rc waits until it has stopped", Place::new(run, 0..0))
        })
    }

    /// A file of one word beside a service's script.
    fn beside(&self, folder: &str, name: &str) -> Option<(String, Place)> {
        let id = *self.index.get(&format!("{folder}/{name}"))?;
        let text = &self.files.get(id).text;
        let word = text.trim();
        (!word.is_empty()).then(|| (word.to_string(), Place::new(id, 0..text.trim_end().len())))
    }
}

/// The two times together, in seconds.
fn grace(context: &Context) -> Found<f64> {
    let mut whole = Found::default(0.0, "s6-overlay");
    for name in S6_GRACE {
        let set = context.env.get(name).and_then(|found| {
            let ms = found.get()?.parse::<f64>().ok()?;
            Some(Found {
                value: Known::Is(ms),
                origin: found.origin.clone(),
                unless: None,
                overrode: Vec::new(),
            })
        });
        let ms = set.as_ref().and_then(Found::get).copied().unwrap_or(S6_DEFAULT);
        whole.value = Known::Is(whole.get().unwrap_or(&0.0) + ms / 1000.0);
        whole.origin = set.map_or(whole.origin, |set| set.origin);
    }
    whole
}

/// Whether a name is one for what takes jobs.
fn works(name: &str) -> bool {
    let words = ["worker", "queue", "horizon", "job", "consumer", "celery", "sidekiq"];
    let name = name.to_ascii_lowercase();
    words.iter().any(|word| name.contains(word))
}
