//! What the code says as a list of facts, for `--facts`.

use super::{Code, go};
use crate::picture::{Fact, Origin, Picture, Place, Program, Purpose, Runtime};

/// What the code of each program in production says; the same at the same place once.
pub fn facts(code: &Code, picture: &Picture) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for (service, container, program) in picture.programs() {
        if service.purpose != Purpose::Production {
            continue;
        }
        let of = format!("{}/{}", service.name, container.name);
        for (key, value, place) in said(code, picture, program) {
            let origin = Origin::At(place);
            if !facts.iter().any(|fact| fact.key == key && fact.origin == origin) {
                let overrode = Vec::new();
                facts.push(Fact { of: of.clone(), key: key.into(), value, origin, overrode });
            }
        }
    }
    facts
}

type Said = (&'static str, String, Place);

fn said(code: &Code, picture: &Picture, program: &Program) -> Vec<Said> {
    match program.runtime {
        Runtime::Go => code.go_of(program).flat_map(of_go).collect(),
        Runtime::Node => of_node(code, picture, program),
        _ => {
            let sources = code.python_of(program).flat_map(|source| &source.pools);
            let most = |(place, most): &(Place, f64)| ("db.pool_most", shown(*most), place.clone());
            sources.map(most).collect()
        }
    }
}

fn of_go(source: &go::Source) -> Vec<Said> {
    let mut said = Vec::new();
    for server in source.servers.iter().filter(|server| !server.local) {
        let times = server.timeouts.iter().map(|(name, (_, seconds))| match seconds {
            Some(seconds) => format!("{name} {} s", shown(*seconds)),
            None => format!("{name} not known"),
        });
        let times: Vec<String> = times.collect();
        let value = match times.is_empty() {
            true => "http.Server without time-outs".into(),
            false => format!("http.Server, {}", times.join(", ")),
        };
        said.push(("go.server", value, server.place.clone()));
    }
    for bare in &source.bare {
        said.push(("go.server", format!("{} without time-outs", bare.call), bare.place.clone()));
    }
    for (place, grace) in &source.graces {
        let value = grace.map_or("not known".into(), |grace| format!("{} s", shown(grace)));
        said.push(("go.shutdown_timeout", value, place.clone()));
    }
    let numbers =
        [("db.max_open_conns", &source.max_open), ("db.max_idle_conns", &source.max_idle)];
    for (key, found) in numbers {
        said.extend(found.iter().map(|(place, n)| (key, shown(*n), place.clone())));
    }
    said
}

fn of_node(code: &Code, picture: &Picture, program: &Program) -> Vec<Said> {
    let mut said = Vec::new();
    for source in code.node_of(&picture.files, program) {
        for (place, value) in &source.keep_alives {
            let value = value.map_or("not known".into(), |ms| format!("{} s", shown(ms / 1000.0)));
            said.push(("node.keep_alive_timeout", value, place.clone()));
        }
        said.extend(
            source.forks.iter().map(|(at, how)| ("node.processes", how.clone(), at.clone())),
        );
        let text = &picture.files.get(source.file).text;
        let hooks = "enableShutdownHooks";
        if let Some(at) = text.find(hooks) {
            let place = Place::new(source.file, at..at + hooks.len());
            said.push(("nest.shutdown_hooks", "on".into(), place));
        }
    }
    said
}

fn shown(n: f64) -> String {
    n.to_string()
}
