//! Files that are broken: the error names the file, the place and what to do.

use crate::support::*;
use knee_files::Overrides;

const DOCKER: &str = "FROM nginx\nCOPY nginx.conf /etc/nginx/nginx.conf\n";

#[test]
fn a_broken_file_is_named_with_its_place() {
    let start = |files: &[(&str, &str)]| Folder::tree(files).error();
    for (files, error) in [
        (&[("knee.toml", "[task]\ncpu = \"x\"\n")][..], "knee.toml:2:7: `task.cpu` takes"),
        (
            &[("task-definition.json", "{\n \"containerDefinitions\": [}\n")][..],
            "task-definition.json:2:27: is no JSON",
        ),
        (&[("compose.yaml", "services:\n  a: [\n")][..], "compose.yaml:"),
        (&[("Dockerfile", "RUN x\n")][..], "Dockerfile:1:1: is no Dockerfile"),
        (
            &[("Dockerfile", DOCKER), ("nginx.conf", "events {\n  worker_connections 1\n}\n")][..],
            "nginx.conf:2:3: `worker_connections` does not end with `;`",
        ),
        (&[("package.json", "{\n  \"scripts\" 1 }")][..], "package.json:2:"),
        (
            &[("knee.toml", "[knobs]\nworkers = 2\n"), ("Procfile", "web: node x.js\n")][..],
            "knee.toml:2:1: `knobs.workers` is no knob of this service; it has UV_THREADPOOL_SIZE, max-old-space-size",
        ),
        (
            &[
                ("knee.toml", "[service]\ncontainer = \"api\"\n"),
                ("task-definition.json", "{\"containerDefinitions\": [{\"name\": \"app\"}]}"),
            ][..],
            "knee.toml:2:1: `api` is no container of task-definition.json; there are app",
        ),
    ] {
        let found = start(files);
        assert!(found.starts_with(error), "{found}\n{error}");
    }
}

#[test]
fn an_impossible_task_names_the_nearest() {
    let text = "{\n\"requiresCompatibilities\": [\"FARGATE\"],\n\"cpu\": \"512\",\n\"memory\": \"512\",\n\"containerDefinitions\": [{\"name\": \"app\"}]}";
    let folder = Folder::tree(&[("task-definition.json", text)]);
    assert_eq!(
        folder.error(),
        "task-definition.json:3: Fargate offers no task of 0.5 vCPU, 512 MiB; the nearest are 0.25,512MiB and 0.5,1GiB"
    );
    folder.write("task-definition.json", &text.replace("FARGATE", "EC2"));
    assert!(folder.try_discover().is_ok(), "EC2 offers any");
    let overrides = Overrides { task: Some("3,1GB".parse().unwrap()), ..Overrides::default() };
    let error = knee_files::discover(Folder::tree(&[]).path(), &overrides).unwrap_err();
    assert!(error.to_string().starts_with("--task: Fargate offers no task of 3 vCPU"), "{error}");
}

#[test]
fn what_is_not_there_is_an_error_with_its_name() {
    let error = knee_files::discover("/knee/no/such/folder".as_ref(), &Overrides::default());
    assert!(error.unwrap_err().to_string().starts_with("/knee/no/such/folder: "));
    let folder = Folder::example("gunicorn");
    let discovery = folder.discover();
    let settings = discovery.service.current().with("wrokers", 3);
    let error = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap_err();
    assert!(
        error.to_string().starts_with("wrokers: no such knob here; there are backlog, "),
        "{error}"
    );
    folder.write("Dockerfile", "FROM x\nCMD [\"sleep\", \"1\"]\n");
    let settings = discovery.service.current().with("workers", 3);
    let error = knee_files::patches(&discovery.service, &settings).unwrap_err();
    assert!(error.to_string().starts_with("workers: cannot be written in Dockerfile: "), "{error}");
    let flag = Overrides { container: Some("api".into()), ..Overrides::default() };
    let error = knee_files::discover(folder.path(), &flag).unwrap_err().to_string();
    assert_eq!(error, "--container: `api` is no container of task-definition.json; there are app");
}
