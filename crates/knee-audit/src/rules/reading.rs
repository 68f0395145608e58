//! What many rules ask of a picture.

use crate::Subject;
use crate::picture::{
    Container, Datum, Deployment, Found, LinkKind, Place, Program, Runtime, Service, Supervision,
    is_development, observed,
};

/// ECS' stop time-out where nothing is written:
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>.
const ECS_STOP: f64 = 30.0;
/// That of `docker stop`: <https://docs.docker.com/reference/compose-file/services/#stop_grace_period>.
const COMPOSE_STOP: f64 = 10.0;

/// Each program in production with its service and container.
pub fn programs<'a>(
    subject: &'a Subject,
    of: impl Fn(Runtime) -> bool + 'a,
) -> impl Iterator<Item = (&'a Service, &'a Container, &'a Program)> {
    let containers = subject.production().flat_map(|s| s.containers.iter().map(move |c| (s, c)));
    let programs = containers.flat_map(|(s, c)| c.programs.iter().map(move |p| (s, c, p)));
    programs.filter(move |(_, _, p)| of(p.runtime))
}

/// Whether something is seen to start the program: a file of settings alone says nothing of
/// what it leaves out, which another file or the command line may say.
pub fn is_started(program: &Program) -> bool {
    program.command.get().is_some()
}

/// Where a program is started, else where its container is defined.
pub fn start<'a>(container: &'a Container, program: &'a Program) -> &'a Place {
    program.command.place().unwrap_or(&container.place)
}

/// A setting's place, else where its program is started.
pub fn setting_or_start<'a>(
    container: &'a Container,
    program: &'a Program,
    name: &str,
) -> &'a Place {
    program.setting(name).and_then(Found::place).unwrap_or(start(container, program))
}

/// Whether a setting is known to be off: written so, or left at a default that is off.
pub fn off(program: &Program, name: &str, default: bool) -> bool {
    !on(program, name, default).unwrap_or(true)
}

/// Whether a setting is on; None where that is not known.
pub fn on(program: &Program, name: &str, default: bool) -> Option<bool> {
    match program.setting(name) {
        None => Some(default),
        Some(found) => match found.get()? {
            Datum::Switch(on) => Some(*on),
            Datum::Number(n) => Some(*n != 0.0),
            _ => None,
        },
    }
}

/// The time between the stop signal and SIGKILL.
pub struct Stop<'a> {
    /// Seconds.
    pub seconds: f64,
    /// Where it is written.
    pub place: Option<&'a Place>,
    /// Whose it is, for people: `stopTimeout`, `ECS' default`.
    pub whose: &'static str,
}

/// What a container is given to stop; None where that cannot be known.
pub fn stop<'a>(service: &'a Service, container: &'a Container) -> Option<Stop<'a>> {
    let found = |found: &'a Found<f64>, whose| {
        Some(Stop { seconds: *found.get()?, place: found.place(), whose })
    };
    let default = |seconds, whose| Some(Stop { seconds, place: None, whose });
    match (&container.stop_timeout, &service.task.agent_stop_timeout) {
        (Some(own), _) if service.deployment == Deployment::Compose => {
            found(own, "stop_grace_period")
        }
        (Some(own), _) => found(own, "stopTimeout"),
        (None, Some(agent)) => found(agent, "ECS_CONTAINER_STOP_TIMEOUT"),
        (None, None) => match service.deployment {
            Deployment::Compose => default(COMPOSE_STOP, "compose's default"),
            Deployment::Process => None,
            Deployment::Ecs | Deployment::Image | Deployment::Loose => {
                default(ECS_STOP, "ECS' default")
            }
        },
    }
}

/// The supervisor that stops a program, the nearest one.
pub fn supervision(program: &Program) -> Option<&Supervision> {
    program.chain.links.iter().rev().find_map(|link| match &link.kind {
        LinkKind::Supervisor(supervision) => Some(&**supervision),
        _ => None,
    })
}

/// What a container may use, bytes: its own hard limit, else the task's where it is alone in it.
pub fn memory<'a>(service: &'a Service, container: &'a Container) -> Option<(u64, &'a Place)> {
    let task = service.task.memory.as_ref().filter(|_| service.containers.len() == 1);
    let limit = container.memory.as_ref().or(task)?;
    Some((*limit.get()?, limit.place().unwrap_or(&container.place)))
}

/// What a process of a program takes.
pub struct Each<'a> {
    /// Bytes.
    pub bytes: f64,
    /// Bytes of all together beside that.
    pub shared: f64,
    /// Where that was measured; None for the least that any such process takes.
    pub measured: Option<&'a Place>,
}

/// What a process takes: as it was measured of this service, else the least that any takes.
pub fn each<'a>(subject: &'a Subject, program: &Program, least: f64) -> Each<'a> {
    let profile = subject.picture.measured(program);
    let seen = profile.and_then(|m| Some((m, observed(&m.profile.memory.per_process)?)));
    match seen {
        Some((m, bytes)) => Each {
            bytes,
            shared: observed(&m.profile.memory.shared).unwrap_or(0.0),
            measured: Some(&m.per_process),
        },
        None => Each { bytes: least, shared: 0.0, measured: None },
    }
}

impl Each<'_> {
    /// For people: `of at least 32 MiB`, `of 80 MiB, as measured,`.
    pub fn said(&self) -> String {
        match self.measured {
            Some(_) => format!("of {} each, as measured,", mib(self.bytes)),
            None => format!("of at least {} each", mib(self.bytes)),
        }
    }
}

/// How many files of PHP a program has, vendored ones too, and their bytes. Tests are none of it.
pub fn php_code(subject: &Subject, program: &Program) -> Option<(u64, u64)> {
    let folder = program.folder.as_deref()?;
    let below = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
    let files = subject.picture.files.php.iter();
    let own = files.filter(|(path, _)| below(path) && !is_development(path));
    Some(own.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes)))
}

/// Mebibytes, for people.
pub fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / 1024.0 / 1024.0)
}

/// Processes that serve: the workers of a program, 1 where nothing says otherwise.
pub fn processes(program: &Program) -> Option<(f64, Option<&Place>)> {
    let name = match program.runtime {
        Runtime::Gunicorn => "gunicorn.workers",
        Runtime::Uvicorn => "uvicorn.workers",
        Runtime::Hypercorn => "hypercorn.workers",
        Runtime::Uwsgi => "uwsgi.processes",
        Runtime::PhpFpm => "php_fpm.pm.max_children",
        Runtime::Celery => "celery.worker_concurrency",
        Runtime::Octane => "octane.workers",
        Runtime::Node => "node.instances",
        _ => return Some((1.0, None)),
    };
    match program.setting(name) {
        Some(found) => Some((found.get()?.number()?, found.place())),
        None if matches!(program.runtime, Runtime::Celery | Runtime::Octane | Runtime::PhpFpm) => {
            None
        }
        None => Some((1.0, None)),
    }
}
