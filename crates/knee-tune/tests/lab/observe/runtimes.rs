//! What each runtime says of itself, and the accept queues of TCP and unix sockets.

use super::*;
use knee_core::Bytes;
use knee_core::limit::{Scene, of_usage};
use knee_core::observe::Resource;
use std::os::unix::net::UnixStream;
use std::path::Path;

#[test]
fn php_fpm_behind_nginx() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let mut launch = launch(vec![container(&["php-fpm8.2", "-F", "-y", "/srv/fpm.conf"])]);
    launch.containers.push(container(&["nginx", "-c", "/srv/nginx.conf", "-g", "daemon off;"]));
    let told: String =
        inject(&mut launch, "php-fpm").iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
    let pool = format!(
        "[global]\nerror_log = /dev/stderr\n[www]\nuser = www-data\nlisten = /run/app.sock\n\
         listen.mode = 0666\nlisten.backlog = 16\npm = static\npm.max_children = 2\n{told}"
    );
    let nginx = format!(
        "pid /run/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; server {{\n\
         listen 127.0.0.1:{port} backlog=100;\nlocation / {{ include /etc/nginx/fastcgi_params;\n\
         fastcgi_param SCRIPT_FILENAME /srv/index.php; fastcgi_pass unix:/run/app.sock; }} }} }}\n"
    );
    let script = "<?php $x = 0; for ($i = 0; $i < 200000; $i++) { $x += $i; } echo $x;";
    launch.files.extend([
        ("/srv/fpm.conf".into(), pool.into_bytes()),
        ("/srv/nginx.conf".into(), nginx.into_bytes()),
        ("/srv/index.php".into(), script.into()),
    ]);
    let running = lab.start(&launch).unwrap();
    ready(&running, Some(port), Some("/")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    (0..20).for_each(|_| assert!(get(port, "/").contains("19999900000")));
    let seen = usage(&observer, mark, "OPcache", |u| reading(u, "opcache.hit_rate").is_some());
    assert_eq!(observer.unheard(), Vec::<String>::new());
    assert_eq!(reading(&seen, "fpm.total"), Some(2.0), "{seen:?}");
    assert!(reading(&seen, "opcache.enabled") == Some(1.0), "{seen:?}");
    assert!((0.0..=1.0).contains(&reading(&seen, "opcache.hit_rate").unwrap()), "{seen:?}");
    assert!(reading(&seen, "opcache.memory.free") > Some(1e6), "{seen:?}");
    // FPM's master, two children and that of the status; nginx's master and worker.
    assert!(seen.processes >= 6 && seen.cpu > 0.0 && seen.pss > Bytes::mib(4), "{seen:?}");
    assert_eq!(
        reading(&seen, "fpm.active").unwrap_or(9.0).max(2.0),
        2.0,
        "never more than there are"
    );

    // Each child takes a connection and waits for the rest of the request; the others wait in
    // the queue.
    let socket = running.host_path(Path::new("/run/app.sock"));
    let begin = [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let ask = |_| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(&begin).unwrap();
        stream
    };
    let held: Vec<UnixStream> = (0..9).map(ask).collect();
    until("all children are busy", || {
        let now = observer.usage_since(observer.mark());
        reading(&now, "fpm.active") == Some(2.0) && now.accept_queue == 7
    });
    let full = observer.usage_since(observer.mark());
    assert_eq!((full.backlog, full.accept_at.as_str()), (16, "/run/app.sock"), "{full:?}");
    assert_eq!(reading(&full, "fpm.idle"), Some(0.0), "the status answers all the same");
    drop(held);
}

#[test]
fn nginx_at_its_worker_connections() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let mut launch =
        launch(vec![container(&["nginx", "-c", "/srv/nginx.conf", "-g", "daemon off;"])]);
    let conf = format!(
        "worker_processes 1;\npid /run/nginx.pid;\nerror_log stderr warn;\nevents {{ worker_connections 8; }}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{port}; return 200 ok; }} }}\n"
    );
    launch.files.push(("/srv/nginx.conf".into(), conf.into_bytes()));
    inject(&mut launch, "nginx");
    let running = lab.start(&launch).unwrap();
    ready(&running, Some(port), Some("/")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    assert!(get(port, "/").ends_with("ok"));
    let quiet = observer.usage_since(mark);
    assert_eq!(reading(&quiet, "nginx.connections.refused"), None, "{quiet:?}");
    let held = connect(port, 16);
    let full = usage(&observer, mark, "a refusal", |u| {
        reading(u, "nginx.connections.refused") > Some(0.0)
    });
    let scene = Scene { task: launch.task, concurrency: None, alone: None, nofile: None };
    let limit = of_usage(&full, &scene);
    assert_eq!(limit.resource, Resource::Connections, "{full:?}");
    assert!(limit.evidence.contains("that 8 worker_connections are not enough"), "{limit:?}");
    drop(held);
}

#[test]
fn gunicorn_overflows_its_backlog() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let app = "def app(environ, start):\n    start('200 OK', [])\n    return [str(sum(range(300000))).encode()]\n";
    let mut launch = shell(&format!(
        "cd /srv && exec gunicorn --workers 2 --backlog 5 --bind 127.0.0.1:{port} app:app"
    ));
    launch.files.push(("/srv/app.py".into(), app.into()));
    let running = lab.start(&launch).unwrap();
    ready(&running, Some(port), Some("/")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    (0..20).for_each(|_| assert!(get(port, "/").contains("44999850000")));
    // Its clock tick is 10 ms, and the first worker serves before the second is forked.
    let busy = usage(&observer, mark, "CPU", |u| u.busiest > 0.0 && u.processes > 2);
    assert!(busy.cpu > 0.0 && busy.processes == 3 && busy.readings.is_empty(), "{busy:?}");

    // Each sync worker takes one connection and waits for what it asks.
    let mark = observer.mark();
    let held = connect(port, 16);
    let full = usage(&observer, mark, "an overflow", |u| u.accept_queue > u.backlog);
    assert_eq!((full.accept_queue, full.backlog), (6, 5), "one more than it holds: {full:?}");
    assert_eq!(full.accept_at, format!("127.0.0.1:{port}"));
    drop(held);
}

#[test]
fn a_cluster_of_node() {
    let Some(lab) = lab() else { return };
    let port = free_port();
    let server = format!(
        "const cluster = require('node:cluster');\n\
         if (cluster.isPrimary) {{ cluster.fork(); cluster.fork(); }}\n\
         else require('node:http').createServer((_, r) => {{\n\
           const end = Date.now() + 300; while (Date.now() < end);\n\
           r.end('done');\n\
         }}).listen({port}, '127.0.0.1');\n"
    );
    let mut launch = launch(vec![container(&["node", "/srv/server.js"])]);
    launch.task.cpu = 1.0;
    launch.files.push(("/srv/server.js".into(), server.into_bytes()));
    inject(&mut launch, "node");
    let running = lab.start(&launch).unwrap();
    ready(&running, Some(port), None).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let seen = usage(&observer, mark, "a blocked loop", |u| {
        assert!(get(port, "/").ends_with("done"));
        // A block lies between two ticks; Node does not record the one after a reset.
        reading(u, "node.eventloop.delay_p99") >= Some(100.0)
    });
    let share = reading(&seen, "node.eventloop.utilization").unwrap();
    assert!(share > 0.0 && share <= 1.0, "{seen:?}");
    // Three processes: the primary and its workers.
    let heap = reading(&seen, "node.heap.used").unwrap();
    assert!(seen.processes == 3 && heap > 6e6 && heap < 1e9, "{seen:?}");
    assert!(reading(&seen, "node.heap.limit") > Some(heap) && seen.busiest > 0.0, "{seen:?}");
    assert_eq!(observer.unheard(), Vec::<String>::new());
}

#[test]
fn a_program_built_with_go() {
    let Some(lab) = lab() else { return };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/go/orders");
    let port = free_port();
    let mut launch = launch(vec![container(&[program.to_str().unwrap()])]);
    for (name, value) in [("PORT", port.to_string().as_str()), ("GOMAXPROCS", "2")] {
        launch.containers[0].env.set(name, value);
    }
    // A collection for every 40 KB, some requests.
    launch.containers[0].env.set("GOGC", "1");
    inject(&mut launch, "go");
    let running = lab.start(&launch).unwrap();
    ready(&running, Some(port), Some("/health")).unwrap();
    let observer = observe(&running);
    let mark = observer.mark();
    let seen = usage(&observer, mark, "collections", |u| {
        get(port, "/health");
        reading(u, "go.gc.cpu") > Some(0.0)
    });
    assert!(reading(&seen, "go.gc.cpu") <= Some(1.0), "{seen:?}");
    assert!(reading(&seen, "go.gc.cycles") > Some(0.0), "{seen:?}");
    assert!(reading(&seen, "go.heap.goal").is_some() && seen.threads > 2, "{seen:?}");
    // Go raises its soft limit of open files by itself.
    assert!(seen.nofile.is_some() && seen.descriptors > 3, "{seen:?}");
}
