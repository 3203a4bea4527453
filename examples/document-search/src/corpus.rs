//! The files of a folder: finding them, choosing among them, reading one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use heapledger::scope;
use ignore::WalkBuilder;

use crate::error::Error;
use crate::skipped::{Reason, Skipped};

/// Larger files are skipped and counted: a document of this size is a data file.
pub const FILE_BYTES_MAX: u64 = 8 << 20;

/// Zero bytes are looked for in this many leading bytes.
const BINARY_PROBE_BYTES: usize = 8 << 10;

/// What a buffer to read files into holds at first, and keeps.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// Extensions that never hold text worth reading to find out.
const NOT_DOCUMENTS: &[&str] = &[
    "7z", "a", "avif", "bin", "bmp", "bz2", "class", "dll", "dylib", "eot", "exe", "gif", "gz",
    "ico", "jar", "jpeg", "jpg", "mov", "mp3", "mp4", "o", "ogg", "otf", "pdf", "png", "pyc",
    "rlib", "rmeta", "so", "svg", "tar", "tgz", "tif", "tiff", "ttf", "wasm", "wav", "webm",
    "webp", "woff", "woff2", "xz", "zip", "zst",
];

/// The files to index.
pub struct Corpus {
    pub root: PathBuf,
    pub files: Vec<PathBuf>,
    /// Candidates in the whole folder; `files` may be fewer, by the limit.
    pub found: usize,
    /// What could not even be listed.
    pub skipped: Skipped,
}

impl Corpus {
    /// List the documents under `root`, at most `limit` of them (0: all).
    pub fn find(root: &Path, limit: usize) -> Result<Self, Error> {
        let _scope = scope!("corpus");
        check_folder(root)?;
        let (mut files, skipped) = walk(root);
        let found = files.len();
        if found == 0 {
            let why = match skipped.total() {
                0 => String::new(),
                _ => format!(" (skipped {skipped})"),
            };
            return Err(Error::NoDocuments { folder: root.to_owned(), why });
        }
        files.sort();
        if limit > 0 && found > limit {
            files = spread(root, files, limit);
        }
        Ok(Self { root: root.to_owned(), files, found, skipped })
    }

    /// The path of a file as shown to the user: relative to the root.
    pub fn name(&self, file: &Path) -> String {
        file.strip_prefix(&self.root).unwrap_or(file).to_string_lossy().into_owned()
    }
}

/// Say clearly what is wrong with the folder that the user named.
fn check_folder(root: &Path) -> Result<(), Error> {
    match fs::read_dir(root) {
        Ok(_) => Ok(()),
        Err(source) => Err(match source.kind() {
            io::ErrorKind::NotFound => Error::MissingFolder(root.to_owned()),
            io::ErrorKind::NotADirectory => Error::NotAFolder(root.to_owned()),
            _ => Error::UnreadableFolder { folder: root.to_owned(), source },
        }),
    }
}

/// All candidates under `root`. Symbolic links are not followed, so no loop
/// can trap the walk; pipes and devices are left out.
fn walk(root: &Path) -> (Vec<PathBuf>, Skipped) {
    let mut files = Vec::new();
    let mut skipped = Skipped::default();
    // The user named this folder: what lies above it may not exclude it.
    let entries = WalkBuilder::new(root).parents(false).follow_links(false).build();
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                if may_hold_text(entry.path()) {
                    files.push(entry.into_path());
                }
            }
            Ok(_) => {}
            Err(_) => skipped.add(Reason::Unreadable),
        }
    }
    (files, skipped)
}

fn may_hold_text(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    !NOT_DOCUMENTS.iter().any(|known| extension == *known)
}

/// Choose `limit` of the sorted `files`: the same number from each top-level
/// folder as far as it has them, and evenly spaced within it.
fn spread(root: &Path, files: Vec<PathBuf>, limit: usize) -> Vec<PathBuf> {
    let mut folders: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(root).unwrap_or(&file);
        let top = match inside.components().next() {
            // Files of the root itself are one group.
            Some(first) if inside.components().nth(1).is_some() => first.as_os_str().to_owned(),
            _ => OsString::new(),
        };
        folders.entry(top).or_default().push(file);
    }

    // Smallest first, so that what a small folder leaves goes to the others.
    let mut groups: Vec<_> = folders.into_values().collect();
    groups.sort_by_key(Vec::len);
    let mut chosen = Vec::with_capacity(limit);
    let mut groups_left = groups.len();
    for mut group in groups {
        let share = ((limit - chosen.len()) / groups_left).min(group.len());
        let length = group.len();
        chosen.extend((0..share).map(|n| std::mem::take(&mut group[n * length / share])));
        groups_left -= 1;
    }
    chosen.sort();
    chosen
}

heapledger::pool! {
    /// Buffers to read files into: most files are smaller, and a buffer that grew for
    /// a large one is not kept.
    static READ_BUFFERS: Vec<u8> = Vec::with_capacity(READ_BUFFER_BYTES),
        reset = |buffer| {
            buffer.clear();
            buffer.shrink_to(READ_BUFFER_BYTES);
        },
        name = "read_buffers";
}

/// Read a file whole, unless it is too large or not text, and make something of it.
pub fn read<R>(file: &Path, make: impl FnOnce(&[u8]) -> Result<R, Reason>) -> Result<R, Reason> {
    let opened = File::open(file).map_err(|_| Reason::Unreadable)?;
    let expected = opened.metadata().map_err(|_| Reason::Unreadable)?.len();
    if expected > FILE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    let mut bytes = READ_BUFFERS.acquire();
    bytes.reserve(expected as usize + 1);
    // A file may grow while it is read: the limit holds all the same.
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|_| Reason::Unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    if bytes[..bytes.len().min(BINARY_PROBE_BYTES)].contains(&0) {
        return Err(Reason::Binary);
    }
    make(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("inside the folder")).expect("folders");
            fs::write(path, file).expect("a file");
        }
        folder
    }

    fn names(corpus: &Corpus) -> Vec<String> {
        corpus.files.iter().map(|file| corpus.name(file)).collect()
    }

    #[test]
    fn finds_text_and_leaves_images_and_hidden_files() {
        let folder = folder_with(&["b.md", "a/x.RS", "a/y.PNG", ".hidden/z.txt", "Makefile"]);
        let corpus = Corpus::find(folder.path(), 0).expect("documents");
        assert_eq!(names(&corpus), ["Makefile", "a/x.RS", "b.md"]);
    }

    #[test]
    fn the_limit_is_spread_over_the_folders() {
        let files: Vec<String> = (0..50)
            .map(|n| format!("large/{n:02}.txt"))
            .chain((0..4).map(|n| format!("small/{n}.txt")))
            .chain(["top.txt".to_owned()])
            .collect();
        let folder = folder_with(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let corpus = Corpus::find(folder.path(), 10).expect("documents");
        assert_eq!((corpus.files.len(), corpus.found), (10, 55));
        let names = names(&corpus);
        assert!(names.contains(&"top.txt".to_owned()));
        assert_eq!(names.iter().filter(|name| name.starts_with("small/")).count(), 4);
        assert_eq!(names[..3], ["large/00.txt", "large/10.txt", "large/20.txt"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_loop_of_links_ends() {
        let folder = folder_with(&["a/x.txt"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).expect("a link");
        let corpus = Corpus::find(folder.path(), 0).expect("documents");
        assert_eq!(names(&corpus), ["a/x.txt"]);
    }

    #[test]
    fn a_wrong_folder_is_named() {
        let folder = folder_with(&["a.txt", "images/only.png"]);
        let find = |inside| Corpus::find(&folder.path().join(inside), 0).map(|_| ());
        assert!(matches!(find("nowhere"), Err(Error::MissingFolder(_))));
        assert!(matches!(find("a.txt"), Err(Error::NotAFolder(_))));
        assert!(matches!(find("images"), Err(Error::NoDocuments { .. })));
    }

    #[test]
    fn binary_and_missing_files_are_told_apart() {
        let folder = folder_with(&["text.txt"]);
        let binary = folder.path().join("binary.txt");
        fs::write(&binary, b"ab\0cd").expect("a file");
        let read = |file: &Path| read(file, |bytes| Ok(bytes.to_vec()));
        assert_eq!(read(&binary), Err(Reason::Binary));
        assert_eq!(read(&folder.path().join("none")), Err(Reason::Unreadable));
        assert_eq!(read(&folder.path().join("text.txt")), Ok(b"text.txt".to_vec()));
        let large = folder.path().join("large.txt");
        fs::write(&large, vec![b'x'; 3 * READ_BUFFER_BYTES]).expect("a file");
        assert_eq!(read(&large), Ok(vec![b'x'; 3 * READ_BUFFER_BYTES]));
        assert_eq!(read(&folder.path().join("text.txt")), Ok(b"text.txt".to_vec()));
    }
}
