//! A service: the task, its containers, what stands in front of it.

use super::files::{FileId, Place};
use super::found::Found;
use super::program::Program;
use std::collections::BTreeMap;

/// Something that is deployed, or could be.
#[derive(Clone, Debug)]
pub struct Service {
    /// Family, service or folder name.
    pub name: String,
    /// What it is there for.
    pub purpose: Purpose,
    /// What says how it runs.
    pub deployment: Deployment,
    /// Where its task definition, compose service or Dockerfile begins.
    pub place: Place,
    /// Its size and its life.
    pub task: Task,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// What a service is there for. Rules judge production alone; facts are told of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serves users, as far as the files say.
    Production,
    /// Development, a test, CI, a compose override.
    Development,
    /// A module or template that others instantiate: nothing is known of its user.
    Template,
}

/// What says how a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// An ECS task definition (JSON, Terraform, CloudFormation, CDK).
    Ecs,
    /// A compose file.
    Compose,
    /// A Dockerfile that no deployment names.
    Image,
    /// A Procfile, a systemd unit.
    Process,
    /// A configuration file that nothing in the repository is seen to start.
    Loose,
}

/// The size and the life of a task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// vCPU.
    pub cpu: Option<Found<f64>>,
    /// Bytes.
    pub memory: Option<Found<u64>>,
    /// Where it runs.
    pub launch: Option<Found<Launch>>,
    /// Whether its capacity may be taken away (Spot).
    pub spot: Option<Found<bool>>,
    /// Tasks that are wanted.
    pub desired: Option<Found<u64>>,
    /// Tasks at the auto-scaling maximum.
    pub maximum: Option<Found<u64>>,
    /// `ECS_CONTAINER_STOP_TIMEOUT` of the instances, seconds.
    pub agent_stop_timeout: Option<Found<f64>>,
    /// Health-check grace period of the service, seconds.
    pub health_check_grace: Option<Found<f64>>,
}

/// Where a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// Fargate.
    Fargate,
    /// EC2 container instances.
    Ec2,
    /// Both are allowed, or `EXTERNAL`.
    Other,
}

/// A container of a service.
#[derive(Clone, Debug)]
pub struct Container {
    /// As the definition names it, else the service's name.
    pub name: String,
    /// Where its definition begins: the container definition, else the Dockerfile's final stage.
    pub place: Place,
    /// The image it starts.
    pub image: Option<Image>,
    /// CPU units (1024 = 1 vCPU): shares, never a cap.
    pub cpu: Option<Found<f64>>,
    /// Hard limit, bytes.
    pub memory: Option<Found<u64>>,
    /// Soft limit, bytes.
    pub memory_reservation: Option<Found<u64>>,
    /// Seconds between the stop signal and SIGKILL: `stopTimeout`, compose's `stop_grace_period`.
    /// None where nothing says it.
    pub stop_timeout: Option<Found<f64>>,
    /// Limit of open files, where it is written.
    pub nofile: Option<Found<Nofile>>,
    /// `initProcessEnabled`, compose's `init`.
    pub init: Option<Found<bool>>,
    /// The signal that stops it (`SIGTERM`), where it is written.
    pub stop_signal: Option<Found<String>>,
    /// Whether the task ends with it.
    pub essential: bool,
    /// The port that it is reached at, as the task maps it.
    pub port: Option<Found<u16>>,
    /// Names and values of variables, task over image. Secrets are unknown.
    pub env: BTreeMap<String, Found<String>>,
    /// The words that it is started with, entry point and command.
    pub command: Option<Found<Vec<String>>>,
    /// The target groups that send it requests.
    pub targets: Vec<Target>,
    /// The programs in it, in start order. Supervisors and package managers are in a program's
    /// chain, not here.
    pub programs: Vec<Program>,
}

/// Soft and hard limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nofile {
    /// What a program gets.
    pub soft: u64,
    /// What it may raise it to.
    pub hard: u64,
}

/// The image of a container.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name, or the name of the final stage's base once FROMs of other stages are followed.
    pub base: Option<Found<String>>,
    /// The Dockerfile, where it is in the repository.
    pub dockerfile: Option<FileId>,
    /// The final stage, in the Dockerfile.
    pub stage: Option<Place>,
    /// The folder that is copied into it, relative to the root; `` is the root itself.
    pub context: String,
    /// Whether the application's code is copied into it (and not only mounted).
    pub copies_code: bool,
    /// Paths in it that are volumes.
    pub volumes: Vec<Found<String>>,
    /// Its RUN instructions, those of the stages that it is made from, too.
    pub runs: Vec<Place>,
}

/// A target group as a container sees it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the group is defined.
    pub place: Place,
    /// Seconds.
    pub deregistration_delay: Found<f64>,
    /// Seconds between health checks.
    pub health_interval: Option<Found<f64>>,
    /// Index of its load balancer, where it is known.
    pub load_balancer: Option<usize>,
    /// Port of the container, where it is known.
    pub port: Option<u16>,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    /// Where it is defined.
    pub place: Place,
    /// Whether it is an Application Load Balancer (a Network one keeps no HTTP connections).
    pub application: bool,
    /// Seconds; a default where nothing is written.
    pub idle_timeout: Found<f64>,
}

/// A database whose limit is stated.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where.
    pub place: Place,
    /// Connections that it accepts.
    pub max_connections: Found<f64>,
}
