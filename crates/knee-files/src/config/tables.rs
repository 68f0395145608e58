//! The keys of `[service]`, `[task]`, `[goal]` and `[tune]`.

use super::field::Field;
use super::keys::{About, Key, put, read_key};
use super::{Config, Mistakes};
use crate::formats::FormatError;
use crate::formats::shell::is_name;
use knee_core::goal::percentile;
use knee_core::units::{Bytes, Seconds};
use knee_core::workload::Request;

pub(super) static SERVICE: [Key<Config>; 7] = [
    Key {
        about: About {
            name: "command",
            form: "a command line in quotes",
            example: r#""gunicorn -b 127.0.0.1:8000 app:app""#,
            doc: "What starts the service. Else from the task definition, compose file, Procfile or Dockerfile.",
        },
        read: |config, field| put(&mut config.service.command, field, field.text()?.into()),
    },
    Key {
        about: About {
            name: "ready",
            form: "a path that starts with /",
            example: r#""/health""#,
            doc: "Path that answers 2xx once the service is ready. Else from a health check; else an open port is enough.",
        },
        read: |config, field| {
            let path = field.text()?;
            Request::get(path).check().map_err(|_| field.wrong())?;
            put(&mut config.service.ready, field, path.into())
        },
    },
    Key {
        about: About {
            name: "port",
            form: "a number from 1 to 65535",
            example: "8000",
            doc: "The port that takes requests. Else from the other files; else the listening socket tells.",
        },
        read: |config, field| put(&mut config.service.port, field, field.whole(1..=65_535)? as u16),
    },
    Key {
        about: About {
            name: "container",
            form: "the name of a container in quotes",
            example: r#""web""#,
            doc: "The container that takes the requests, where a task has several.",
        },
        read: |config, field| put(&mut config.service.container, field, field.text()?.into()),
    },
    Key {
        about: About {
            name: "dir",
            form: "a folder in quotes",
            example: r#""api""#,
            doc: "The folder that `command` starts in, seen from this file's folder, which is taken without it.",
        },
        read: |config, field| put(&mut config.service.dir, field, field.text()?.into()),
    },
    Key {
        about: About {
            name: "env",
            form: "a list of names of environment variables",
            example: r#"["SECRET_KEY"]"#,
            doc: "Variables that the service is given from knee's own environment, as `docker run --env NAME` does: for secrets, which have no place in a file.",
        },
        read: |config, field| {
            let names = field.list()?;
            let name = |field: &Field<'_>| {
                let name = field.text()?;
                if is_name(name) { Ok(name.to_string()) } else { Err(field.wrong()) }
            };
            let names = names.iter().map(name).collect::<Result<_, _>>()?;
            put(&mut config.service.env, field, names)
        },
    },
    Key {
        about: About {
            name: "env_file",
            form: "the path of a file in quotes",
            example: r#"".env""#,
            doc: "A file of NAME=value lines that the service is given, seen from this file's folder. A compose file's env_file, and .env where there is no other file than a Procfile, are read without it. It wins over what other files say.",
        },
        read: |config, field| put(&mut config.service.env_file, field, field.text()?.into()),
    },
];

/// No ECS task has more vCPU. CPU units, a likely mistake, are above.
const MOST_CPU: f64 = 192.0;

pub(super) static TASK: [Key<Config>; 3] = [
    Key {
        about: About {
            name: "cpu",
            form: "a number of vCPU (1 is 1,024 CPU units)",
            example: "0.5",
            doc: "vCPU of the task. Else from the task definition.",
        },
        read: |config, field| {
            let cpu = Some(field.number()?).filter(|cpu| *cpu > 0.0 && *cpu <= MOST_CPU);
            put(&mut config.task.cpu, field, cpu.ok_or_else(|| field.wrong())?)
        },
    },
    Key {
        about: About {
            name: "memory",
            form: "an amount of memory with its unit, in quotes",
            example: r#""1GB""#,
            doc: "Memory limit of the task. GB are powers of 1,024, as ECS means them. Else from the task definition.",
        },
        read: |config, field| {
            let unit = field.text()?.ends_with(|c: char| c.is_ascii_alphabetic());
            let bytes = Some(field.quantity::<Bytes>()?).filter(|bytes| unit && bytes.0 > 0);
            put(&mut config.task.memory, field, bytes.ok_or_else(|| field.wrong())?)
        },
    },
    Key {
        about: About {
            name: "nofile",
            form: "a number of open files, or [soft, hard] with soft at most hard",
            example: "[1024, 65535]",
            doc: "Limit of open files of each process. Else from the task definition's ulimits.",
        },
        read: |config, field| {
            let limit = |f: &Field<'_>| f.whole(1..=1 << 30).map(|n| n as u64);
            let limits = match field.list() {
                Ok(list) if list.len() == 2 => (limit(&list[0])?, limit(&list[1])?),
                _ => (limit(field)?, limit(field)?),
            };
            let limits = Some(limits).filter(|(soft, hard)| soft <= hard);
            put(&mut config.task.nofile, field, limits.ok_or_else(|| field.wrong())?)
        },
    },
];

pub(super) static GOAL: [Key<Config>; 3] = [
    Key {
        about: About {
            name: PERCENTILE,
            form: "a length of time with its unit, in quotes",
            example: r#""250ms""#,
            doc: "Latency that 99 % of the requests must not exceed, counted from when each was due. \
                  Another percentile likewise, from p1 to p99.99: `p95`, `\"p99.9\"`. One is held.",
        },
        read: latency,
    },
    Key {
        about: About {
            name: "errors",
            form: "a share from 0 to below 1",
            example: "0.001",
            doc: "Highest share of requests that may fail; `\"0.1%\"` is the same as 0.001.",
        },
        read: |config, field| put(&mut config.goal.errors, field, field.share()?),
    },
    Key {
        about: About {
            name: "rate",
            form: "a number of requests per second",
            example: "200",
            doc: "A load to carry. Without it the most requests per second are sought.",
        },
        read: |config, field| {
            let rate = Some(field.number()?).filter(|rate| *rate > 0.0);
            put(&mut config.goal.rate, field, rate.ok_or_else(|| field.wrong())?)
        },
    },
];

/// The key that stands for every percentile.
const PERCENTILE: &str = "p99";

/// Reads `[goal]`: any percentile is a key.
pub(super) fn goal(config: &mut Config, table: &Field<'_>) -> Result<(), Mistakes> {
    let fields = table.fields()?.into_iter();
    let fields = fields.flat_map(|field| field.dotted().unwrap_or_else(|| vec![field]));
    Mistakes::none(fields.map(|field| {
        let digits = field.name.strip_prefix('p').unwrap_or_default();
        let name =
            if digits.starts_with(|c: char| c.is_ascii_digit()) { PERCENTILE } else { &field.name };
        Ok(read_key(&GOAL, name, config, &field)?)
    }))
}

fn latency(config: &mut Config, field: &Field<'_>) -> Result<(), FormatError> {
    let percent = field.name.strip_prefix('p').and_then(percentile);
    let quantile = percent.ok_or_else(|| {
        field
            .key_error(format!("`{}` is not a percentile from p1 to p99.99; write p99", field.name))
    })?;
    if let Some(earlier) = &config.goal.latency {
        let problem =
            format!("one percentile is held, and line {} names one; remove either", earlier.line);
        return Err(field.key_error(problem));
    }
    let most = Some(field.quantity()?).filter(|most| *most > Seconds(0.0));
    put(&mut config.goal.latency, field, (quantile, most.ok_or_else(|| field.wrong())?))
}

pub(super) static TUNE: [Key<Config>; 3] = [
    Key {
        about: About {
            name: "trials",
            form: "a number from 1 to 1000",
            example: "8",
            doc: "Most trials, today's settings among them.",
        },
        read: |config, field| put(&mut config.tune.trials, field, field.whole(1..=1000)? as usize),
    },
    Key {
        about: About {
            name: "head_room",
            form: "a share from 0 to below 1",
            example: "0.1",
            doc: "Share of the task's memory that has to stay free; `\"10%\"` is the same as 0.1.",
        },
        read: |config, field| put(&mut config.tune.head_room, field, field.share()?),
    },
    Key {
        about: About {
            name: "seed",
            form: "a whole number of 0 or more",
            example: "1",
            doc: "Makes the arrivals repeatable.",
        },
        read: |config, field| put(&mut config.tune.seed, field, field.whole(0..=i64::MAX)? as u64),
    },
];
