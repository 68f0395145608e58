//! Where this process may create cgroups, and what is missing when it may not.

use super::cgroup::{self, Group};
use super::error::LabError;
use knee_probe::cgroup::{own_folder, own_path};
use knee_probe::mounts::Mount;
use std::fs;
use std::path::{Path, PathBuf};

/// Which controllers a cgroup of v2 hands on to those below, and the two that a task's limits need.
pub(super) const SUBTREE: &str = "cgroup.subtree_control";
pub(super) const BOTH: &str = "+cpu +memory";

/// The cgroup below which tasks are created; dropping it undoes what was changed there.
#[derive(Debug)]
pub(super) struct Base {
    pub group: Group,
    /// Of cgroup v2: from the topmost folder down to this cgroup's, which hand controllers on.
    way: Vec<PathBuf>,
    undo: Option<Moved>,
}

/// cgroup v2 lets only cgroups without processes of their own limit those below: knee moved
/// itself out of the way.
#[derive(Debug)]
struct Moved {
    from: PathBuf,
    to: PathBuf,
}

impl Base {
    /// Finds and prepares it. `name` is free for knee's use below it.
    ///
    /// The error lists what is missing.
    pub fn find(mounts: &[Mount], self_cgroup: &str, name: &str) -> Result<Base, Vec<String>> {
        let v1 = |controller: &str| {
            let mount = mounts.iter().find(|m| m.kind == "cgroup" && m.has(controller))?;
            Some(own_folder(mount, own_path(self_cgroup, controller)?))
        };
        if let Some(cpu) = v1("cpu") {
            let missing = |c: &str| vec![format!("cgroup v1 has no `{c}` controller mounted")];
            let group = Group::V1 {
                cpuacct: v1("cpuacct").ok_or_else(|| missing("cpuacct"))?,
                memory: v1("memory").ok_or_else(|| missing("memory"))?,
                pids: v1("pids").filter(|p| creatable(p, name).is_ok()),
                cpu,
            };
            let refused: Vec<_> =
                group.folders().iter().filter_map(|f| creatable(f, name).err()).collect();
            return if refused.is_empty() {
                Ok(Base { group, way: Vec::new(), undo: None })
            } else {
                Err(refused)
            };
        }
        let mount = mounts.iter().find(|m| m.kind == "cgroup2");
        let own = mount.and_then(|m| Some(own_folder(m, own_path(self_cgroup, "")?)));
        match (mount, own) {
            (Some(mount), Some(own)) => v2(&mount.at, &own, name),
            _ => Err(vec!["no cgroup file system is mounted".into()]),
        }
    }

    /// Sees to it that a task made next has files for its limits: systemd takes a controller away
    /// from its slices when the last of its own units that asked for it ends.
    pub fn pass_on(&self) -> Result<(), LabError> {
        self.way.iter().try_for_each(|folder| {
            if both(&words(folder, SUBTREE)) {
                return Ok(());
            }
            cgroup::write(&folder.join(SUBTREE), BOTH)
        })
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if let Some(Moved { from, to }) = &self.undo {
            // In this order: a cgroup that passes controllers on takes no processes.
            let _ = fs::write(from.join(SUBTREE), "-cpu -memory");
            let _ = fs::write(from.join("cgroup.procs"), std::process::id().to_string());
            let _ = cgroup::remove_folder(to);
        }
    }
}

fn creatable(folder: &Path, name: &str) -> Result<(), String> {
    let probe = folder.join(name);
    fs::create_dir(&probe)
        .and_then(|()| fs::remove_dir(&probe))
        .map_err(|e| format!("cannot create a cgroup in {}: {e}", folder.display()))
}

/// The nearest cgroup at or above knee's own that can pass cpu and memory on.
fn v2(top: &Path, own: &Path, name: &str) -> Result<Base, Vec<String>> {
    let mut missing = Vec::new();
    for folder in own.ancestors().take_while(|f| f.starts_with(top)) {
        match passes_on(folder, folder == own, name) {
            Ok(undo) => {
                let mut way: Vec<PathBuf> = folder
                    .ancestors()
                    .take_while(|f| f.starts_with(top))
                    .map(Path::to_path_buf)
                    .collect();
                way.reverse();
                return Ok(Base { group: Group::V2 { path: folder.into() }, way, undo });
            }
            Err(reason) => missing.push(reason),
        }
    }
    Err(missing)
}

/// The words in a file of a cgroup; none where it cannot be read.
fn words(folder: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.split_whitespace().map(String::from).collect()
}

fn both(controllers: &[String]) -> bool {
    ["cpu", "memory"].iter().all(|c| controllers.iter().any(|l| l == c))
}

fn passes_on(folder: &Path, is_own: bool, name: &str) -> Result<Option<Moved>, String> {
    let shown = folder.display();
    if !both(&words(folder, "cgroup.controllers")) {
        return Err(format!("{shown} was not given the cpu and memory controllers"));
    }
    creatable(folder, name)?;
    if both(&words(folder, SUBTREE)) {
        return Ok(None);
    }
    // Only the real root, which has no type, may have processes and pass controllers on.
    let root = !folder.join("cgroup.type").exists();
    let me = std::process::id().to_string();
    let others = words(folder, "cgroup.procs").iter().filter(|p| **p != me).count();
    if others > 0 && !root {
        return Err(format!(
            "{shown} holds {others} other processes, so it cannot limit cgroups below"
        ));
    }
    let moved = (is_own && !root)
        .then(|| Moved { from: folder.into(), to: folder.join(format!("{name}-self")) });
    let undo = Base { group: Group::V2 { path: folder.into() }, way: Vec::new(), undo: moved };
    let act = || -> Result<(), LabError> {
        if let Some(Moved { to, .. }) = &undo.undo {
            fs::create_dir(to).map_err(LabError::cgroup(to, "create it"))?;
            cgroup::write(&to.join("cgroup.procs"), &me)?;
        }
        cgroup::write(&folder.join(SUBTREE), BOTH)
    };
    act().map_err(|e| e.to_string())?;
    let mut undo = undo;
    Ok(undo.undo.take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_probe::mounts;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    fn v2_mount(tree: &Path) -> Vec<Mount> {
        mounts::parse(&format!("1 0 0:1 / {} rw - cgroup2 cgroup2 rw\n", tree.display()))
    }

    #[test]
    fn v1_is_found_where_each_controller_is_mounted() {
        let tree = tree(&[("cpu,cpuacct/a/x", ""), ("memory/x", "")]);
        let at = |name: &str| tree.path().join(name);
        let text = format!(
            "1 0 0:1 / {0}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n2 0 0:2 /docker/a {0}/memory ro - cgroup cgroup rw,memory\n",
            tree.path().display()
        );
        let own = "3:cpu,cpuacct:/a\n2:memory:/docker/a\n0::/\n";
        let base = Base::find(&mounts::parse(&text), own, "n").unwrap();
        let cpu = at("cpu,cpuacct/a");
        assert_eq!(
            base.group,
            Group::V1 { cpuacct: cpu.clone(), cpu, memory: at("memory"), pids: None }
        );
        let gone = "3:cpu,cpuacct:/gone\n2:memory:/docker/a\n0::/\n";
        let missing = Base::find(&mounts::parse(&text), gone, "n").unwrap_err();
        assert!(missing[0].contains("cannot create a cgroup in"), "{missing:?}");
    }

    #[test]
    fn v2_moves_knee_aside_in_a_cgroup_of_its_own_and_back() {
        let me = std::process::id().to_string();
        let tree = tree(&[
            ("user/scope/cgroup.controllers", "cpu memory pids\n"),
            ("user/scope/cgroup.type", "domain\n"),
            ("user/scope/cgroup.subtree_control", ""),
            ("user/scope/cgroup.procs", &format!("{me}\n")),
        ]);
        let base = Base::find(&v2_mount(tree.path()), "0::/user/scope\n", "n").unwrap();
        let scope = tree.path().join("user/scope");
        assert_eq!(base.group, Group::V2 { path: scope.clone() });
        let read = |file: &str| fs::read_to_string(scope.join(file)).unwrap();
        assert_eq!(read("cgroup.subtree_control"), "+cpu +memory");
        assert_eq!(read("n-self/cgroup.procs"), me);
        fs::remove_file(scope.join("n-self/cgroup.procs")).unwrap();
        drop(base);
        assert_eq!(read("cgroup.subtree_control"), "-cpu -memory");
        assert!(!scope.join("n-self").exists());
    }

    #[test]
    fn v2_climbs_to_a_cgroup_that_passes_controllers_on() {
        let tree = tree(&[
            ("cgroup.controllers", "cpu memory\n"),
            ("cgroup.subtree_control", "cpu memory\n"),
            ("shell/cgroup.controllers", "cpu memory\n"),
            ("shell/cgroup.type", "domain\n"),
            ("shell/cgroup.procs", "1\n2\n"),
        ]);
        let base = Base::find(&v2_mount(tree.path()), "0::/shell\n", "n").unwrap();
        assert_eq!(base.group, Group::V2 { path: tree.path().into() });
        let handed_on = || fs::read_to_string(tree.path().join(SUBTREE)).unwrap();
        base.pass_on().unwrap();
        assert_eq!(handed_on(), "cpu memory\n", "left as it was");
        fs::write(tree.path().join(SUBTREE), "memory pids\n").unwrap();
        base.pass_on().unwrap();
        assert_eq!(handed_on(), BOTH, "taken away since");
        fs::write(tree.path().join("cgroup.controllers"), "pids\n").unwrap();
        let missing = Base::find(&v2_mount(tree.path()), "0::/shell\n", "n").unwrap_err();
        assert!(missing[0].contains("shell holds 2 other processes"), "{missing:?}");
        assert!(missing[1].contains("was not given the cpu and memory controllers"), "{missing:?}");
    }
}
