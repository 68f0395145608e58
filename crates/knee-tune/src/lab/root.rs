//! The root file system of a task: the host's own as the lower layer of an overlay, so that
//! every program is there and no write reaches the user's files.
//!
//! What is changed or new is written into the upper layers before the service starts.

use super::error::LabError;
use super::ops::Op;
use knee_core::launch::Bind;
use knee_probe::mounts::Mount;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::{Component, Path, PathBuf};

/// Shown as they are, or made anew: never overlaid.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Mounts of other container tools: many, and of no use to the service.
const FOREIGN: [&str; 5] =
    ["/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet", "/run/docker", "/run/netns"];
/// Symbolic links followed before a path counts as a loop.
const LINKS: usize = 40;

/// The files as the service will see them.
#[derive(Debug)]
pub(super) struct Root {
    /// Where the whole is mounted, in the container's mount namespace only.
    at: PathBuf,
    /// Folder of all upper layers.
    store: PathBuf,
    /// By the path at which the service sees it; `/` is always there.
    layers: BTreeMap<PathBuf, Layer>,
    /// Host mounts that cannot be overlaid.
    shown: Vec<PathBuf>,
}

#[derive(Debug)]
struct Layer {
    /// Host folders, the upmost first.
    lowers: Vec<PathBuf>,
    upper: PathBuf,
    work: PathBuf,
    /// Whether what it holds must be seen: otherwise the host's folder will do.
    needed: bool,
}

/// Where a path is found, before any mount.
enum Found {
    Here(PathBuf),
    Missing,
}

impl Root {
    /// The host's files as they are, over storage in `store`.
    pub fn new(store: &Path, mounts: &[Mount]) -> Result<Root, LabError> {
        let mut root = Root {
            at: store.join("root"),
            store: store.join("layers"),
            layers: BTreeMap::new(),
            shown: Vec::new(),
        };
        for folder in [&root.at, &root.store] {
            fs::create_dir(folder).map_err(LabError::file(folder, "create it"))?;
        }
        root.add_layer(Path::new("/"), vec!["/".into()], true)?;
        let mut points: Vec<&Path> = mounts.iter().map(|m| m.at.as_path()).collect();
        points.sort();
        points.dedup();
        for point in points {
            let skipped = KERNEL.iter().chain(&FOREIGN).any(|p| point.starts_with(p));
            if point == Path::new("/") || skipped {
                continue;
            }
            match fs::metadata(point) {
                Ok(m) if m.is_dir() => root.add_layer(point, vec![point.into()], false)?,
                Ok(m) if m.is_file() => root.shown.push(point.into()),
                _ => {}
            }
        }
        Ok(root)
    }

    fn add_layer(&mut self, at: &Path, lowers: Vec<PathBuf>, needed: bool) -> Result<(), LabError> {
        let folder = self.store.join(self.layers.len().to_string());
        let layer =
            Layer { upper: folder.join("upper"), work: folder.join("work"), lowers, needed };
        for new in [&layer.upper, &layer.work] {
            fs::create_dir_all(new).map_err(LabError::file(new, "create it"))?;
        }
        look_like(&layer.lowers[0], &layer.upper)?;
        self.layers.insert(at.into(), layer);
        Ok(())
    }

    /// Shows a host folder or file at another path, as a copy: what the service writes there
    /// stays in the task. A later one at the same path lies above the earlier.
    pub fn bind(&mut self, bind: &Bind) -> Result<(), LabError> {
        let host = bind.host.canonicalize().map_err(LabError::file(&bind.host, "read it"))?;
        let at = self.resolve(&bind.container);
        if !host.is_dir() {
            let bytes = fs::read(&host).map_err(LabError::file(&host, "read it"))?;
            self.write(&at, &bytes)?;
            let place = self.upper_path(&at);
            return look_like(&host, &place);
        }
        if let Some(layer) = self.layers.get_mut(&at).filter(|_| at != Path::new("/")) {
            // The kernel refuses a layer that stands twice in one overlay.
            layer.lowers.retain(|lower| *lower != host);
            layer.lowers.insert(0, host);
            layer.needed = true;
            return Ok(());
        }
        let mut lowers = vec![host.clone()];
        match self.find(&at) {
            Found::Here(below) if below.is_dir() && below != host => lowers.push(below),
            _ => {}
        }
        self.create_folder(&at)?;
        self.add_layer(&at, lowers, true)
    }

    /// Makes sure that a folder is there.
    pub fn create_folder(&mut self, at: &Path) -> Result<(), LabError> {
        let at = self.resolve(at);
        let mut path = PathBuf::new();
        for part in at.components() {
            path.push(part);
            let place = self.upper_path(&path);
            if place.is_dir() {
                continue;
            }
            let below = self.find(&path);
            if matches!(&below, Found::Here(below) if !below.is_dir()) {
                let file = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(LabError::file(path, "use it as a folder")(file));
            }
            self.layer_mut(&path).needed |= matches!(below, Found::Missing);
            fs::create_dir(&place).map_err(LabError::file(&place, "create it"))?;
            if let Found::Here(below) = below {
                look_like(&below, &place)?;
            }
        }
        Ok(())
    }

    /// Puts a file in place, with the mode and owner of the one that it hides.
    pub fn write(&mut self, at: &Path, bytes: &[u8]) -> Result<(), LabError> {
        let parent = at.parent().unwrap_or(Path::new("/"));
        self.create_folder(parent)?;
        let at = self.resolve(parent).join(at.file_name().unwrap_or_default());
        let hidden = self.find(&at);
        self.layer_mut(&at).needed = true;
        let place = self.upper_path(&at);
        fs::write(&place, bytes).map_err(LabError::file(&place, "write it"))?;
        match hidden {
            Found::Here(below) if below != place => look_like(&below, &place),
            _ => Ok(()),
        }
    }

    /// The mounts, in order, to be made in a private mount namespace.
    pub fn ops(&self) -> Vec<Op> {
        let mut ops: Vec<Op> =
            self.layers.iter().map(|(at, layer)| self.overlay(at, layer)).collect();
        for path in KERNEL.map(Path::new) {
            ops.push(Op::bind(path, &self.inside(path), libc::MS_REC));
        }
        // Docker's size. What a killed service leaves there goes with the namespace.
        let shared = self.inside(Path::new("/dev/shm"));
        ops.push(
            Op::mount("tmpfs", &shared, libc::MS_NOSUID | libc::MS_NODEV, "mode=1777,size=64m")
                .or_ignore(),
        );
        ops.extend(self.shown.iter().map(|p| Op::bind(p, &self.inside(p), 0).or_ignore()));
        ops
    }

    /// Where the whole is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    fn overlay(&self, at: &Path, layer: &Layer) -> Op {
        let lowers: Vec<_> = layer.lowers.iter().map(|l| escape(l)).collect();
        let data = format!(
            "lowerdir={},upperdir={},workdir={}",
            lowers.join(":"),
            escape(&layer.upper),
            escape(&layer.work)
        );
        let target = self.inside(at);
        let op = Op::mount("overlay", &target, 0, &data);
        if layer.needed {
            return op;
        }
        op.or(Op::bind(&layer.lowers[0], &target, libc::MS_REC).or_ignore())
    }

    fn inside(&self, at: &Path) -> PathBuf {
        self.at.join(at.strip_prefix("/").unwrap_or(at))
    }

    /// The layer that shows a path, and the path within it.
    fn layer<'a>(&self, at: &'a Path) -> (&Layer, &'a Path) {
        let (point, layer) = at
            .ancestors()
            .find_map(|a| self.layers.get_key_value(a))
            .unwrap_or_else(|| unreachable!("an absolute path is below `/`, which has a layer"));
        (layer, at.strip_prefix(point).unwrap_or(at))
    }

    fn layer_mut(&mut self, at: &Path) -> &mut Layer {
        let point = at.ancestors().find(|a| self.layers.contains_key(*a)).unwrap_or(Path::new("/"));
        self.layers.get_mut(point).unwrap_or_else(|| unreachable!("`/` has a layer"))
    }

    fn upper_path(&self, at: &Path) -> PathBuf {
        let (layer, within) = self.layer(at);
        layer.upper.join(within)
    }

    /// The file or folder (or link) at a path without links in its parents.
    fn find(&self, at: &Path) -> Found {
        let (layer, within) = self.layer(at);
        let places = std::iter::once(&layer.upper).chain(&layer.lowers).map(|l| l.join(within));
        places
            .into_iter()
            .find(|p| p.symlink_metadata().is_ok())
            .map_or(Found::Missing, Found::Here)
    }

    /// Follows the symbolic links in a path as the service would.
    fn resolve(&self, at: &Path) -> PathBuf {
        let mut todo: Vec<PathBuf> = parts(at);
        let mut done = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == Path::new("..") {
                done.pop();
                continue;
            }
            let next = done.join(&part);
            let link = match self.find(&next) {
                Found::Here(place) => fs::read_link(place).ok(),
                Found::Missing => None,
            };
            match link {
                Some(target) if links < LINKS => {
                    links += 1;
                    if target.is_absolute() {
                        done = PathBuf::from("/");
                    }
                    todo.extend(parts(&target));
                }
                _ => done = next,
            }
        }
        done
    }
}

/// The names in a path, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let names =
        path.components().filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir));
    names.map(|c| PathBuf::from(c.as_os_str())).rev().collect()
}

/// In overlayfs's options `:` and `,` separate, and `\` escapes.
fn escape(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.chars()
        .flat_map(|c| [Some('\\').filter(|_| ":,\\".contains(c)), Some(c)])
        .flatten()
        .collect()
}

/// Mode and owner of `from` for `to`. Without privilege a foreign owner cannot be given.
pub(super) fn look_like(from: &Path, to: &Path) -> Result<(), LabError> {
    let of = |e: io::Error| LabError::file(to, "set its mode")(e);
    let Ok(model) = fs::symlink_metadata(from) else { return Ok(()) };
    if model.is_symlink() {
        let _ = lchown(to, Some(model.uid()), Some(model.gid()));
        return Ok(());
    }
    let _ = chown(to, Some(model.uid()), Some(model.gid()));
    fs::set_permissions(to, fs::Permissions::from_mode(model.mode() & 0o7777)).map_err(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root whose `/srv/app` is a copy of a folder of the test's own.
    fn example(dir: &Path) -> Root {
        let host = dir.join("project");
        fs::create_dir_all(host.join("conf")).unwrap();
        fs::write(host.join("conf/app.ini"), "old").unwrap();
        fs::set_permissions(host.join("conf/app.ini"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("conf", host.join("etc")).unwrap();
        let store = dir.join("store");
        fs::create_dir(&store).unwrap();
        let mut root = Root::new(&store, &[]).unwrap();
        root.bind(&Bind { host, container: "/srv/knee-test-app".into() }).unwrap();
        root
    }

    #[test]
    fn a_changed_file_is_written_above_the_users() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = example(dir.path());
        root.write(Path::new("/srv/knee-test-app/etc/app.ini"), b"new").unwrap();
        let at = Path::new("/srv/knee-test-app/conf/app.ini");
        let place = root.upper_path(at);
        assert_eq!(fs::read_to_string(&place).unwrap(), "new", "through the link");
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o640);
        let user = fs::read_to_string(dir.path().join("project/conf/app.ini")).unwrap();
        assert_eq!(user, "old");
    }

    #[test]
    fn what_two_containers_show_at_one_path_is_one_layer() {
        let dir = tempfile::tempdir().unwrap();
        let mut root = example(dir.path());
        let host = dir.path().join("project/conf");
        let bind = Bind { host: host.clone(), container: "/srv/knee-test-app/public".into() };
        root.bind(&bind).unwrap();
        root.bind(&bind).unwrap();
        let layer = &root.layers[Path::new("/srv/knee-test-app/public")];
        assert_eq!(layer.lowers, [host.canonicalize().unwrap()]);
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        let root = example(dir.path());
        std::os::unix::fs::symlink("b", dir.path().join("project/a")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("project/b")).unwrap();
        root.resolve(Path::new("/srv/knee-test-app/a/x"));
        assert_eq!(root.resolve(Path::new("/srv/../..//./proc")), Path::new("/proc"));
    }

    #[test]
    fn mounts_are_ordered_and_have_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        let root = example(dir.path());
        let ops: Vec<_> = root.ops().iter().map(|o| o.what().to_string()).collect();
        let position = |end: &str| ops.iter().position(|o| o.ends_with(end)).unwrap();
        assert_eq!(position("store/root/"), 0);
        assert!(position("store/root/srv/knee-test-app") < position("store/root/proc"));
        assert!(root.layers[Path::new("/")].upper.join("srv/knee-test-app").is_dir());
    }

    #[test]
    fn separators_in_paths_are_escaped() {
        assert_eq!(escape(Path::new("/a:b,c\\d")), "/a\\:b\\,c\\\\d");
    }
}
