//! What a program asks of the machine that it is started on: a loader, shared libraries, a version of the C library.
//!
//! Read from the file itself, as the kernel and the loader read it: by program headers, never by sections, which may be
//! stripped. Every number in the file is doubted; a file that ends early or points outside itself is refused with what
//! was looked for.

use std::fmt;

const MAGIC: &[u8] = b"\x7fELF";
/// 64 bits, least significant byte first: what Tern is built for.
const CLASS_AND_ORDER: [u8; 2] = [2, 1];
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RELR: u64 = 36;
const DT_VERNEED: u64 = 0x6fff_fffe;
const PROGRAM_HEADER_BYTES: u64 = 56;
const DYNAMIC_BYTES: u64 = 16;
/// Names are paths and versions; a longer one is no name.
const NAME_BYTES_MAX: usize = 4096;
/// What is looked for where versions stand.
const VERSION: &str = "a version of a library";
/// Libraries and versions that are followed; each is a link of a chain that could lead back to itself.
const LINKS_MAX: usize = 4096;

/// What a program wants to find when it starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The loader that the kernel starts in its place.
    pub loader: Option<String>,
    /// Shared libraries.
    pub libraries: Vec<String>,
    /// The newest `GLIBC_` version among its symbols, as numbers.
    pub glibc: Option<Vec<u32>>,
    /// Its relocations are a bitmap instead of a list of 24 bytes each.
    pub packed: bool,
}

impl Wants {
    /// Nothing but a kernel.
    pub fn nothing(&self) -> bool {
        self.loader.is_none() && self.libraries.is_empty() && self.glibc.is_none()
    }
}

impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.nothing() {
            return f.write_str("nothing: it is static");
        }
        let loader = self.loader.as_deref().unwrap_or("no loader");
        write!(f, "{loader}, libraries: {}", if self.libraries.is_empty() { "none" } else { "" })?;
        f.write_str(&self.libraries.join(" "))?;
        if let Some(version) = &self.glibc {
            let numbers: Vec<String> = version.iter().map(u32::to_string).collect();
            write!(f, "; the newest version among its symbols is GLIBC_{}", numbers.join("."))?;
        }
        Ok(())
    }
}

/// Reads what a program wants.
///
/// # Errors
/// A sentence without the file's name: what was looked for and is not there.
pub fn wants(bytes: &[u8]) -> Result<Wants, String> {
    let file = File(bytes);
    if file.part(0, 4, "the magic number")? != MAGIC {
        return Err("not an ELF file".to_string());
    }
    if file.part(4, 2, "the class")? != CLASS_AND_ORDER {
        return Err("not an ELF file of 64 bits with the least significant byte first".to_string());
    }
    let headers = file.headers()?;
    let mut wants = Wants::default();
    if let Some(header) = headers.iter().find(|header| header.kind == PT_INTERP) {
        wants.loader = Some(file.text(header.offset)?);
    }
    if let Some(header) = headers.iter().find(|header| header.kind == PT_DYNAMIC) {
        let image = Image { file, headers: &headers };
        image.dynamic(header, &mut wants)?;
    }
    Ok(wants)
}

/// A part of the file and where it stands in memory.
struct Header {
    kind: u64,
    offset: u64,
    address: u64,
    bytes: u64,
}

/// The bytes, never read beyond their end.
#[derive(Clone, Copy)]
struct File<'a>(&'a [u8]);

impl<'a> File<'a> {
    fn part(self, at: u64, bytes: u64, what: &str) -> Result<&'a [u8], String> {
        let range = usize::try_from(at).ok().zip(at.checked_add(bytes).and_then(|end| usize::try_from(end).ok()));
        let part = range.and_then(|(from, to)| self.0.get(from..to));
        part.ok_or_else(|| format!("cut off or damaged: {what} would stand at byte {at} of {}", self.0.len()))
    }

    /// A number of up to eight bytes.
    fn number(self, at: u64, bytes: u64, what: &str) -> Result<u64, String> {
        let part = self.part(at, bytes, what)?;
        Ok(part.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Text up to its NUL.
    fn text(self, at: u64) -> Result<String, String> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let end = rest.iter().take(NAME_BYTES_MAX).position(|byte| *byte == 0);
        let end = end.ok_or_else(|| format!("cut off or damaged: a name at byte {at} does not end"))?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn headers(self) -> Result<Vec<Header>, String> {
        let table = self.number(32, 8, "the place of the program headers")?;
        let each = self.number(54, 2, "the size of a program header")?;
        let count = self.number(56, 2, "the number of program headers")?;
        if each != PROGRAM_HEADER_BYTES {
            return Err(format!("damaged: program headers of {each} bytes, not {PROGRAM_HEADER_BYTES}"));
        }
        let header = |index| {
            let what = "a program header";
            let at = table.checked_add(index * each).ok_or("damaged: program headers beyond any file")?;
            self.part(at, each, what)?;
            let field = |offset, bytes| self.number(at + offset, bytes, what);
            Ok(Header { kind: field(0, 4)?, offset: field(8, 8)?, address: field(16, 8)?, bytes: field(32, 8)? })
        };
        (0..count).map(header).collect()
    }
}

/// The file as it stands in memory.
struct Image<'a> {
    file: File<'a>,
    headers: &'a [Header],
}

impl Image<'_> {
    /// Where in the file an address is.
    fn place(&self, address: u64) -> Result<u64, String> {
        let loads = self.headers.iter().filter(|header| header.kind == PT_LOAD);
        let inside = |header: &Header| {
            let into = address.checked_sub(header.address)?;
            (into < header.bytes).then(|| header.offset.checked_add(into)).flatten()
        };
        let place = loads.filter_map(inside).find(|place| *place < self.file.0.len() as u64);
        place.ok_or_else(|| format!("cut off or damaged: nothing of the file stands at {address:#x}"))
    }

    fn dynamic(&self, header: &Header, wants: &mut Wants) -> Result<(), String> {
        let (mut names, mut needed, mut versions) = (None, Vec::new(), None);
        for index in 0..header.bytes / DYNAMIC_BYTES {
            let what = "an entry for the loader";
            let at = header.offset.checked_add(index * DYNAMIC_BYTES).ok_or("damaged: entries beyond any file")?;
            self.file.part(at, DYNAMIC_BYTES, what)?;
            let value = self.file.number(at + 8, 8, what)?;
            match self.file.number(at, 8, what)? {
                DT_NULL => break,
                DT_NEEDED => needed.push(value),
                DT_STRTAB => names = Some(value),
                DT_RELR => wants.packed = true,
                DT_VERNEED => versions = Some(value),
                _ => {}
            }
            if needed.len() > LINKS_MAX {
                return Err(format!("damaged: more than {LINKS_MAX} libraries"));
            }
        }
        let names = names.map(|address| self.place(address)).transpose()?;
        let name = |offset: u64| {
            let at =
                names.and_then(|names| names.checked_add(offset)).ok_or("damaged: names, but no table of names")?;
            self.file.text(at)
        };
        wants.libraries = needed.into_iter().map(name).collect::<Result<_, _>>()?;
        if let Some(address) = versions {
            wants.glibc = self.newest(self.place(address)?, name)?;
        }
        Ok(())
    }

    /// A chain of libraries, and of each library a chain of versions. In both the link to the next stands at byte 12 and
    /// what hangs on it at byte 8.
    fn newest(&self, first: u64, name: impl Fn(u64) -> Result<String, String>) -> Result<Option<Vec<u32>>, String> {
        let mut newest = None;
        for library in self.chain(first)? {
            for version in self.chain(library + self.file.number(library + 8, 4, VERSION)?)? {
                let text = name(self.file.number(version + 8, 4, VERSION)?)?;
                newest = newest.max(text.strip_prefix("GLIBC_").and_then(numbers));
            }
        }
        Ok(newest)
    }

    /// The places of a chain's links. A step of 0 ends it.
    fn chain(&self, first: u64) -> Result<Vec<u64>, String> {
        let (mut links, mut at) = (Vec::new(), first);
        while links.len() < LINKS_MAX {
            links.push(at);
            match self.file.number(at + 12, 4, VERSION)? {
                0 => return Ok(links),
                step => at += step,
            }
        }
        Err(format!("damaged: more than {LINKS_MAX} versions"))
    }
}

/// `2.34` as numbers, so that 2.4 is older than 2.34. None where it is no version, as `PRIVATE` or `ABI_DT_RELR`.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Wants, wants};

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
    fn a_program_that_wants_a_loader_and_a_c_library_is_seen_to() {
        let wants = wants(&own()).unwrap();
        assert!(wants.loader.as_deref().is_some_and(|loader| loader.contains("/ld-linux")), "{wants:?}");
        assert!(wants.libraries.iter().any(|library| library == "libc.so.6"), "{wants:?}");
        assert!(wants.glibc.as_ref().is_some_and(|version| *version >= vec![2, 2] && version[0] == 2), "{wants:?}");
        assert!(!wants.nothing());
        assert!(wants.to_string().contains("libc.so.6") && wants.to_string().contains("GLIBC_2."), "{wants}");
    }

    #[test]
    fn a_file_that_ends_early_is_refused_and_never_read_beyond_its_end() {
        let whole = own();
        assert_eq!(wants(b"#!/bin/sh\n"), Err("not an ELF file".to_string()));
        // Up to where the headers end, each length; further on, some.
        for length in (0..1024).chain((1024..whole.len()).step_by(whole.len() / 64)) {
            if let Ok(seen) = wants(&whole[..length]) {
                assert_eq!(seen, wants(&whole).unwrap(), "of {length} bytes");
            }
        }
        for length in 0..64 {
            let end = wants(&whole[..length]).unwrap_err();
            assert!(end.contains("cut off"), "{length}: {end}");
        }
    }

    #[test]
    fn damaged_numbers_are_refused_and_end() {
        let mut damaged = own();
        for at in 0..1024 {
            let good = damaged[at];
            for value in [0x00, 0x01, 0x7f, 0xff] {
                damaged[at] = value;
                let _ = wants(&damaged);
            }
            damaged[at] = good;
        }
    }

    #[test]
    fn a_file_of_headers_alone_wants_nothing() {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        (file[32], file[54]) = (64, 56);
        assert_eq!(wants(&file), Ok(Wants::default()));
        assert!(Wants::default().nothing());
    }
}
