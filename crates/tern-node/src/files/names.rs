//! Names that another machine says, and which of them are believed.
//!
//! A name in a folder that is received leads into that folder and nowhere else: no `..`, nothing absolute, nothing through a
//! symbolic link, and no symbolic link that leads out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Bytes of a path, as the system's own limit.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of one name in it.
const NAME_BYTES_MAX: usize = 255;
/// How a file is called until it is whole: hidden, and as no other program calls its own, since what has such a name is taken for a
/// leftover and written over.
const PART: (&[u8], &[u8]) = (b".", b".tern-part");
/// Letters of the hash that stands for what is cut off a long name.
const CUT_HASH_LETTERS: usize = 16;

/// A path from its bytes.
#[must_use]
pub fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[must_use]
pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// A name below a folder that is received, if it stays there. The empty name is the folder itself.
#[must_use]
pub fn inside(bytes: &[u8]) -> Option<PathBuf> {
    if bytes.len() > PATH_BYTES_MAX || bytes.contains(&0) || bytes.ends_with(b"/") {
        return None;
    }
    let path = path(bytes);
    let plain = |part: Component<'_>| match part {
        Component::Normal(name) => name.len() <= NAME_BYTES_MAX,
        _ => false,
    };
    // Written as it is read: no `.`, no doubled slashes.
    let same = path.components().map(|part| part.as_os_str().len() + 1).sum::<usize>() == bytes.len() + 1;
    (bytes.is_empty() || (same && path.components().all(plain))).then_some(path)
}

/// One name without a folder.
#[must_use]
pub fn single(bytes: &[u8]) -> Option<PathBuf> {
    inside(bytes).filter(|path| path.components().count() == 1)
}

/// Whether a symbolic link called `name` below a folder may lead to `target`: up to the folder at most, then only down. A `..`
/// behind a name would be followed from wherever that name leads.
#[must_use]
pub fn may_link(name: &Path, target: &[u8]) -> bool {
    if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
        return false;
    }
    let depth = name.components().count().saturating_sub(1);
    let (mut up, mut down) = (0, false);
    for part in path(target).components() {
        match part {
            Component::ParentDir if !down => up += 1,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            _ => return false,
        }
    }
    up <= depth
}

/// What a target is called until it is whole; none: it has no name itself. Two targets never share one, also where it must be cut.
#[must_use]
pub fn part(target: &Path) -> Option<PathBuf> {
    let name = target.file_name()?.as_bytes();
    let most = NAME_BYTES_MAX - PART.0.len() - PART.1.len();
    if name.len() <= most {
        return Some(target.with_file_name(OsStr::from_bytes(&[PART.0, name, PART.1].concat())));
    }
    let hash = blake3::hash(name).to_hex();
    let mut end = most - CUT_HASH_LETTERS - 1;
    // Some file systems refuse half a letter.
    while end > 0 && name[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    let cut = [PART.0, &name[..end], b"~", &hash.as_bytes()[..CUT_HASH_LETTERS], PART.1].concat();
    Some(target.with_file_name(OsStr::from_bytes(&cut)))
}

/// Whether something is called like what is not whole yet.
#[must_use]
pub fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.len() > PART.0.len() + PART.1.len() && name.starts_with(PART.0) && name.ends_with(PART.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["a", "a/b", "..a/b.", "a b", "\u{1b}[2J"] {
            assert!(inside(name.as_bytes()).is_some(), "{name:?}");
        }
        assert!(inside(b"\xff\xfe/x").is_some(), "names need not be UTF-8");
        for name in ["..", "../a", "a/../b", "/a", "a//b", "./a", "a/.", "a/", "a\0b"] {
            assert!(inside(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(inside(&[b'a'; 256]).is_none());
        assert!(single(b"a/b").is_none() && single(b"").is_none() && single(b"a").is_some());
    }

    #[test]
    fn what_is_not_whole_has_a_name_of_its_own_however_long_that_of_its_target_is() {
        assert_eq!(part(Path::new("/a/b.iso")), Some(PathBuf::from("/a/.b.iso.tern-part")));
        assert_eq!(part(Path::new("/")), None);
        for letter in ["a", "\u{e9}", "\u{1f980}"] {
            let mut seen = std::collections::BTreeSet::new();
            for length in 1..=NAME_BYTES_MAX / letter.len() {
                for last in ["", "1", "2"].iter().filter(|last| length * letter.len() + last.len() <= NAME_BYTES_MAX) {
                    let target = Path::new("/d").join(letter.repeat(length) + last);
                    let part = part(&target).expect("it has a name");
                    let name = part.file_name().expect("it has a name");
                    assert!(name.len() <= NAME_BYTES_MAX && name.to_str().is_some() && is_part(&part), "{part:?}");
                    assert!(seen.insert(part), "{target:?}");
                }
            }
        }
        assert!(!is_part(Path::new("a/x.part")) && !is_part(Path::new(".part")) && !is_part(Path::new(".tern-part")));
    }

    #[test]
    fn links_stay_in_their_folder() {
        let may = |name: &str, target: &str| may_link(Path::new(name), target.as_bytes());
        assert!(may("a", "b") && may("d/a", "../b") && may("d/e/a", "../../b/c") && may("a", "./b"));
        assert!(!may("a", "/etc") && !may("a", "../b") && !may("d/a", "../../b") && !may("a", ""));
        // Through a link that leads up to the root of the folder, this would leave it.
        assert!(!may("d/b", "up/.."));
    }
}
