//! The files of the repository.

use std::path::Path;
use std::process::Command;

/// A file.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    /// Its contents; empty when it is not text.
    pub text: String,
}

/// All files that belong to the repository.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// By path.
    pub files: Vec<File>,
}

impl Tree {
    /// What is tracked under `root`; without git (an unpacked archive) all there is, but for build output.
    ///
    /// # Panics
    /// When `root` cannot be read.
    pub fn read(root: &Path) -> Tree {
        let mut paths = tracked(root).unwrap_or_default();
        if paths.is_empty() {
            walk(root, "", &mut paths);
        }
        paths.sort();
        let file = |path: String| {
            // A file that git knows of may be deleted in the working copy, or be a link to a folder.
            let bytes = std::fs::read(root.join(&path)).ok()?;
            Some(File { path, text: String::from_utf8(bytes).unwrap_or_default() })
        };
        Tree { files: paths.into_iter().filter_map(file).collect() }
    }

    /// A tree made up for a test.
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Tree { files: files.iter().map(file).collect() }
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| list.split('\0').filter(|path| !path.is_empty()).map(String::from).collect())
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(folder)).expect("a folder of the repository can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !["build", ".git"].contains(&path.as_str()) => walk(root, &path, paths),
            Ok(kind) if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
}
