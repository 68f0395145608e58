//! What is mounted where: `/proc/self/mountinfo` (proc(5)), read and never changed.

use std::path::PathBuf;

/// A line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Folder of the file system that is shown.
    pub root: PathBuf,
    /// Where it is shown.
    pub at: PathBuf,
    /// `ext4`, `cgroup2`, ...
    pub kind: String,
    /// Options of the file system, separated by commas.
    pub options: String,
}

impl Mount {
    /// Whether the options hold this one.
    pub fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|o| o == option)
    }
}

/// The mounts of this process, in the order they were made.
pub fn of_this_process() -> std::io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// Reads mountinfo; lines that are none are left out.
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

/// `36 35 98:0 /root /at rw,noatime shared:1 - ext3 /dev/sda1 rw,errors=continue`
fn line(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, at) = (unescape(left.next()?), unescape(left.next()?));
    let mut right = right.split(' ');
    let (kind, options) = (right.next()?.to_string(), right.nth(1).unwrap_or("").to_string());
    Some(Mount { root, at, kind, options })
}

/// mountinfo writes space, tab, newline and backslash as `\040` and so on.
fn unescape(text: &str) -> PathBuf {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 4);
        match digits.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                out.push(byte as char);
                rest = &rest[at + 4..];
            }
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    PathBuf::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let text =
            "36 35 98:0 /a\\040b /mnt/c\\134d rw,noatime shared:1 master:2 - ext3 /dev/x rw,cpu\n";
        let mount = &parse(text)[0];
        assert_eq!((mount.root.to_str(), mount.at.to_str()), (Some("/a b"), Some("/mnt/c\\d")));
        assert!(mount.kind == "ext3" && mount.has("cpu") && !mount.has("cp"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            parse(&text);
            parse(&format!("1 2 3 {text} {text} - {text}"));
        }
    }
}
