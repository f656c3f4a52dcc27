//! Rules about where things are.

use crate::{Breach, Tree};
use std::collections::BTreeSet;

/// What the top level holds.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "initiator-config",
    "launchd",
    "systemd",
    "target",
    "tests",
];

/// The top level holds only [`TOP`].
pub fn top_level(tree: &Tree) -> Vec<Breach> {
    let names: BTreeSet<&str> = tree.files.iter().filter_map(|file| file.path.split('/').next()).collect();
    let stray = names.into_iter().filter(|name| !TOP.contains(name));
    stray
        .map(|name| Breach { path: name.into(), line: 0, what: "not an agreed name of the top level".into() })
        .collect()
}

/// Each package of the repository is listed in the workspace by its name, and has the lints of the workspace.
pub fn members(tree: &Tree) -> Vec<Breach> {
    let manifest = tree.files.iter().find(|file| file.path == "Cargo.toml").map_or("", |file| &file.text);
    let mut breaches = Vec::new();
    for file in &tree.files {
        let Some(folder) = file.path.strip_suffix("/Cargo.toml") else { continue };
        let mut breach = |what: &str| breaches.push(Breach { path: file.path.clone(), line: 0, what: what.into() });
        // A fuzz target is built by its own tool, with its own compiler.
        if file.text.contains("[workspace]") {
            continue;
        }
        if !manifest.contains(&format!("\"{folder}\"")) {
            breach("not a member of the workspace");
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            breach("without the lints of the workspace");
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strays_are_found() {
        assert_eq!(top_level(&Tree::of(&[("src/a.rs", ""), ("target/a.rs", "")])).len(), 1);
        let root = ("Cargo.toml", "members = [\"a\", \"b\"]");
        let tree = Tree::of(&[
            root,
            ("a/Cargo.toml", "[lints]\nworkspace = true"),
            ("b/Cargo.toml", ""),
            ("c/Cargo.toml", ""),
        ]);
        assert_eq!(members(&tree).len(), 3);
    }
}
