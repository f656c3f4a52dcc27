//! Rules about text of any kind.

use crate::{Breach, File, Tree};

fn breach(file: &File, line: usize, what: impl Into<String>) -> Breach {
    Breach { path: file.path.clone(), line, what: what.into() }
}

/// Images and captures that tests read are not lines; a file that is not UTF-8 has no text here at all.
fn is_lines(file: &&File) -> bool {
    ![".img", ".bin", ".snap"].iter().any(|end| file.path.ends_with(end)) && !file.text.is_empty()
}

/// No carriage returns, no white space at the end of a line, a line feed at the end of the file.
pub fn lines(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.files.iter().filter(is_lines) {
        for (at, line) in file.text.split('\n').enumerate() {
            if line.ends_with('\r') {
                breaches.push(breach(file, at + 1, "a carriage return"));
            } else if line.ends_with([' ', '\t']) {
                breaches.push(breach(file, at + 1, "white space at the end of the line"));
            }
            // What is generated, and make files, may need tabs.
            if line.contains('\t') && file.path.ends_with(".rs") {
                breaches.push(breach(file, at + 1, "a tab"));
            }
        }
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            breaches.push(breach(file, 0, "a file ends with one line feed"));
        }
    }
    breaches
}

/// No absolute path of somebody's machine. A home of nobody in particular (`/home/me`) is an example.
pub fn machine_paths(tree: &Tree) -> Vec<Breach> {
    let roots = ["work", "home", "root", "Users"];
    let mut breaches = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        for (at, line) in file.text.lines().enumerate() {
            let starts = line.match_indices('/').filter(|(start, _)| {
                let before = line[..*start].chars().next_back();
                before.is_none_or(|c| c.is_whitespace() || "\"'=(`:<".contains(c))
            });
            for (start, _) in starts {
                let mut parts = line[start + 1..].split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
                let mut parts = parts.next().unwrap_or_default().split('/');
                let (root, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                if roots.contains(&root) && !["", "me"].contains(&name) {
                    breaches.push(breach(file, at + 1, format!("a path of a machine: /{root}/{name}")));
                }
            }
        }
    }
    breaches
}

/// A Markdown file begins with its title, and has only that one.
pub fn titles(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut fenced = false;
        let mut titles = 0;
        for line in file.text.lines() {
            fenced ^= line.trim_start().starts_with("```");
            titles += usize::from(!fenced && line.starts_with("# "));
        }
        if titles != 1 || !file.text.starts_with("# ") {
            breaches.push(breach(file, 1, format!("a document begins with its one title, and this has {titles}")));
        }
    }
    breaches
}

/// Scripts that go on whatever happens, with the reason.
const STUBBORN: &[(&str, &str)] = &[
    ("tests/lab/guest/init", "the first process of a machine has nobody to give up to"),
    ("tests/lab/guest/supervise", "reports how another script ended, and then ends the machine"),
];

/// Each bash script stops at errors (`set -euo pipefail`); one that judges every status itself at least stops at unset
/// variables (`set -u`).
pub fn scripts(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in &tree.files {
        let first = file.text.lines().next().unwrap_or_default();
        if !first.starts_with("#!") || !first.contains("bash") {
            continue;
        }
        let stubborn = STUBBORN.iter().any(|(path, _)| *path == file.path);
        if !stubborn && !file.text.lines().any(|line| line == "set -euo pipefail" || line == "set -u") {
            breaches.push(breach(file, 1, "no `set -euo pipefail`"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree) -> Vec<Breach>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn unclean_lines_are_found() {
        for unclean in ["a \n", "a\r\n", "a", "a\n\n"] {
            assert_eq!(count(lines, "a.md", unclean), 1, "{unclean:?}");
        }
        assert_eq!(count(lines, "a.rs", "\ta\n"), 1);
        assert_eq!(count(lines, "a.md", "a\n\n\tb\n"), 0);
        assert_eq!(count(lines, "a.img", "a"), 0);
    }

    #[test]
    fn paths_of_machines_are_found() {
        for path in [concat!("/wo", "rk/x"), concat!("\"/ho", "me/joe/x\""), concat!("see /ro", "ot/x")] {
            assert_eq!(count(machine_paths, "a.md", path), 1, "{path}");
        }
        for path in ["\"/home/me/x\"", "HOME=/root", "$W/root/x", "net/work/x", "/var/lib/mainstay"] {
            assert_eq!(count(machine_paths, "a.md", path), 0, "{path}");
        }
    }

    #[test]
    fn titles_are_counted() {
        assert_eq!(count(titles, "a.md", "# A\n\n```sh\n# comment\n```\n"), 0);
        for text in ["", "A\n", "# A\n# B\n", "text\n# A\n"] {
            assert_eq!(count(titles, "a.md", text), 1, "{text}");
        }
    }

    #[test]
    fn careless_scripts_are_found() {
        assert_eq!(count(scripts, "a", "#!/usr/bin/env bash\necho\n"), 1);
        for fine in ["#!/bin/bash\nset -euo pipefail\n", "#!/bin/bash\nset -u\n", "#!/bin/sh\n", "echo\n"] {
            assert_eq!(count(scripts, "a", fine), 0, "{fine}");
        }
    }
}
