//! `knee init` in whole folders: what it writes is read to the same service.

use crate::support::*;
use knee_core::service::Service;
use knee_files::{Discovery, init};

const NEST: [(&str, &str); 4] = [
    (
        "compose.yaml",
        "services:\n  web:\n    build: .\n    command: node server.js\n    ports: ['80:8080']\n  cache:\n    image: redis\n",
    ),
    ("Dockerfile", "FROM node:22\nWORKDIR /app\nCOPY . .\n"),
    ("server.js", "require('http').createServer().listen(8080)\n"),
    (
        "knee.toml",
        "[task]\ncpu = 1\nmemory = '2GB'\n[[request]]\npath = '/a'\nheaders = { Authorization = 'hunter2' }\nbody_file = 'a.json'\n\
         [knobs]\nUV_THREADPOOL_SIZE = false\n[knobs.POOL]\nenv = 'POOL'\nrange = '1..9'\ndefault = 2\n",
    ),
];

fn same(before: &Discovery, after: &Discovery) {
    let knobs = |service: &Service| -> Vec<_> {
        let all = service
            .knobs()
            .map(|(_, k)| (k.knob.clone(), k.current.value.clone(), k.place.clone()));
        all.collect()
    };
    let (old, new) = (&before.service, &after.service);
    assert_eq!(knobs(old), knobs(new));
    let commands = |service: &Service| -> Vec<_> {
        service
            .containers
            .iter()
            .map(|c| (c.name.clone(), c.command.value.clone(), c.workdir.clone()))
            .collect()
    };
    assert_eq!((commands(old), old.serving), (commands(new), new.serving));
    let value = |service: &Service| {
        let task = service.task.as_ref().map(|task| task.value);
        let port = service.port.as_ref().map(|port| port.value);
        (task, port, service.ready.as_ref().map(|ready| ready.value.clone()))
    };
    assert_eq!(value(old), value(new));
    assert_eq!(before.goal.value, after.goal.value);
    assert_eq!(before.requests, after.requests);
    assert_eq!(before.head_room.value, after.head_room.value);
    assert_eq!(missing(before), missing(after));
}

#[test]
fn what_is_written_is_read_to_the_same_service() {
    let examples = EXAMPLES.iter().map(|name| Folder::example(name));
    for folder in examples.chain([Folder::tree(&NEST)]) {
        let before = folder.discover();
        let text = init(&before).unwrap();
        folder.write("knee.toml", &text);
        let after = folder.discover();
        same(&before, &after);
        // What was only assumed stands in the file from now on; nothing else moves.
        let again = init(&after).unwrap();
        folder.write("knee.toml", &again);
        assert_eq!(init(&folder.discover()).unwrap(), again);
    }
}

#[test]
fn a_folder_without_a_knee_toml_gets_one() {
    let folder = Folder::tree(&NEST[..3]);
    let before = folder.discover();
    let text = init(&before).unwrap();
    assert!(text.contains("NEEDED"), "{text}");
    folder.write("knee.toml", &text);
    same(&before, &folder.discover());
}
