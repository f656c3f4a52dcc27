//! This repository against its rules.

use mainstay_tidy::{RULES, Tree};
use std::path::Path;

#[test]
fn the_repository_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::read(&root);
    assert!(tree.rust().count() > 50, "the files were not found");
    let mut text = String::new();
    for (rule, find) in RULES {
        for breach in find(&tree) {
            text += &format!("{rule}: {breach}\n");
        }
    }
    assert!(text.is_empty(), "\n{text}");
}
