//! The program from the outside, as a container starts it.

mod celery;
mod conditions;
mod disk;
mod fill;
mod fpm;
mod group;
mod init;
mod leaks;
mod otlp;
mod peers;
mod several;
mod size;
mod stop;
mod support;
mod terminal;
mod watch;
