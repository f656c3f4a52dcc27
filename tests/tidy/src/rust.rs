//! Rules about Rust files.

use crate::tokens::tokens;
use crate::{Breach, File, Tree};

/// Lines of a file.
const LINES_MAX: usize = 600;
/// Files that may be longer, with the reason.
const LONG: &[(&str, &str)] = &[];

/// Lints that may be relaxed without a word at the place: what is said here holds for all of them.
const RELAXED: &[(&str, &str)] = &[
    ("missing_docs", "names that are the standard's own, or say it all, need no sentence each"),
    ("unsafe_code", "only modules named sys may, and there each use has its argument beside it"),
];

fn breach(file: &File, line: usize, what: impl Into<String>) -> Breach {
    Breach { path: file.path.clone(), line, what: what.into() }
}

/// `unsafe`, and leave to use it, is in modules named `sys` only.
pub fn unchecked(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let mut parts = file.path.split('/');
        if parts.any(|part| part == "sys" || part == "sys.rs") {
            continue;
        }
        let found =
            tokens(&file.text).into_iter().find(|token| ["unsafe", "unsafe_code"].contains(&token.text.as_str()));
        breaches.extend(found.map(|token| breach(file, token.line, "unsafe code outside a module named sys")));
    }
    breaches
}

/// No file is longer than [`LINES_MAX`], but for those in [`LONG`].
pub fn length(tree: &Tree) -> Vec<Breach> {
    let long = |file: &&File| file.text.lines().count() > LINES_MAX && !LONG.iter().any(|(path, _)| *path == file.path);
    tree.rust().filter(long).map(|file| breach(file, LINES_MAX, "a noun for each file: this is too long")).collect()
}

/// No marks of work left undone, in any file.
pub fn undone(tree: &Tree) -> Vec<Breach> {
    // Spelled so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = [concat!("db", "g"), concat!("to", "do"), concat!("un", "implemented")];
    let mut breaches = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        for (at, line) in file.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(mark) = words.find(|word| marks.contains(word)) {
                breaches.push(breach(file, at + 1, format!("{mark}: do it or leave it")));
            }
        }
        if file.path.ends_with(".rs") {
            let tokens = tokens(&file.text);
            for pair in tokens.windows(2).filter(|pair| pair[1].text == "!" && macros.contains(&pair[0].text.as_str()))
            {
                breaches.push(breach(file, pair[0].line, format!("{}! is for the desk", pair[0].text)));
            }
        }
    }
    breaches
}

/// No test is ignored: a test that cannot run says why and is counted as skipped by the script that runs it.
pub fn ignored(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let tokens = tokens(&file.text);
        let found = tokens.windows(2).filter(|pair| pair[0].text == "[" && pair[1].text == "ignore");
        breaches.extend(found.map(|pair| breach(file, pair[0].line, "a test is switched off")));
    }
    breaches
}

/// Each `allow` and `expect` of a lint has a comment on its line or the one before, a `reason`, or is in [`RELAXED`].
pub fn relaxed(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        let tokens = tokens(&file.text);
        for (at, token) in tokens.iter().enumerate() {
            let word = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text.as_str());
            let attribute = at > 0 && tokens[at - 1].text == "[" && word(1) == "(";
            if !attribute || !["allow", "expect"].contains(&token.text.as_str()) {
                continue;
            }
            let end = tokens[at..].iter().position(|token| token.text == ")").map_or(tokens.len(), |end| at + end);
            let lints: Vec<&str> = tokens[at + 2..end].iter().map(|token| token.text.as_str()).collect();
            let known = lints.iter().all(|lint| *lint == "," || RELAXED.iter().any(|(name, _)| name == lint));
            let commented = |line: usize| lines.get(line - 1).is_some_and(|line| line.contains("// "));
            let above = token.line > 1 && lines[token.line - 2].trim_start().starts_with("//");
            if !known && !lints.contains(&"reason") && !commented(token.line) && !above {
                breaches.push(breach(file, token.line, "a lint is relaxed without a reason beside it"));
            }
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
    fn unsafe_code_is_found() {
        assert_eq!(count(unchecked, "target/base/src/x.rs", "// unsafe\nunsafe { f() }"), 1);
        assert_eq!(count(unchecked, "target/base/src/x.rs", "#![allow(unsafe_code)]"), 1);
        assert_eq!(count(unchecked, "target/edge/src/volume/sys/linux.rs", "unsafe { f() }"), 0);
        assert_eq!(count(unchecked, "target/base/src/x.rs", "\"unsafe\""), 0);
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(count(length, "a.rs", &"x\n".repeat(601)), 1);
        assert_eq!(count(length, "a.rs", &"x\n".repeat(600)), 0);
        assert_eq!(count(length, "a.md", &"x\n".repeat(601)), 0);
    }

    #[test]
    fn undone_work_is_found() {
        let mark = concat!("// TO", "DO: later");
        assert_eq!(count(undone, "a.md", mark), 1);
        assert_eq!(count(undone, "a.rs", concat!("db", "g!(x); un", "implemented!()")), 2);
        assert_eq!(count(undone, "a.rs", "let todo = 1; x != y"), 0);
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(count(ignored, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
        assert_eq!(count(ignored, "a.rs", "let ignore = [0];"), 0);
    }

    #[test]
    fn relaxed_lints_are_found() {
        assert_eq!(count(relaxed, "a.rs", "#[allow(dead_code)]\nfn f() {}"), 1);
        assert_eq!(count(relaxed, "a.rs", "#![expect(clippy::a, clippy::b)]"), 1);
        for fine in [
            "#[allow(missing_docs)]",
            "#[allow(dead_code)] // because",
            "// Because.\n#[allow(dead_code)]",
            "#[expect(dead_code, reason = \"because\")]",
            "x.expect(\"y\"); allow(z)",
        ] {
            assert_eq!(count(relaxed, "a.rs", fine), 0, "{fine}");
        }
    }
}
