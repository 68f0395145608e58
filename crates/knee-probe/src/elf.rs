//! What a program file says of itself: the names of its ELF sections (elf(5)), 64 bits and little
//! endian as on all that ECS runs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Whether the file is a program with a section of that name; `.go.buildinfo` stands in every
/// program that Go built, stripped or not
/// (<https://pkg.go.dev/debug/buildinfo>). False for anything that cannot be read as one.
pub fn has_section(path: &Path, name: &str) -> bool {
    File::open(path).ok().and_then(|file| find(&file, name)).is_some()
}

fn find(file: &File, name: &str) -> Option<()> {
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    };
    let head = read(0, 64)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let sections = u64::from_le_bytes(*head.get(40..)?.first_chunk()?);
    let short = |at: usize| Some(u16::from_le_bytes(*head.get(at..)?.first_chunk()?));
    let (size, count, names) = (short(58)?, short(60)?, short(62)?);
    if size != 64 {
        return None;
    }
    let table = read(sections, usize::from(size) * usize::from(count))?;
    let entry = |at: u16| table.chunks_exact(64).nth(at.into());
    let wide = |entry: &[u8], at: usize| Some(u64::from_le_bytes(*entry.get(at..)?.first_chunk()?));
    let strings = entry(names)?;
    let length = usize::try_from(wide(strings, 32)?).ok().filter(|length| *length <= 1 << 20)?;
    let strings = read(wide(strings, 24)?, length)?;
    let called = |entry: &&[u8]| {
        let at = entry.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
        let text =
            at.and_then(|at| strings.get(at..)).and_then(|s| s.strip_prefix(name.as_bytes()));
        text.is_some_and(|rest| rest.first() == Some(&0))
    };
    table.chunks_exact(64).find(called).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_programs_own_sections() {
        let me = std::env::current_exe().unwrap();
        assert!(has_section(&me, ".text"));
        assert!(!has_section(&me, ".tex") && !has_section(&me, ".go.buildinfo"));
        assert!(!has_section(Path::new("/etc/passwd"), ".text"));
        assert!(!has_section(Path::new("/no/such/file"), ".text"));
        assert!(!has_section(Path::new("/etc"), ".text"));
    }

    proptest! {
        #[test]
        fn any_file_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let magic = b"\x7fELF\x02\x01";
            bytes.splice(0..bytes.len().min(magic.len()), magic.iter().copied());
            std::fs::write(dir.path().join("program"), &bytes).unwrap();
            has_section(&dir.path().join("program"), ".text");
        }
    }
}
