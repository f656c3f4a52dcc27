//! Configurations that cannot be meant: `check` and `serve` refuse them, and say where and what would be right.

use std::process::{Command, Output};

use mainstay_testkit::daemon::{Daemon, program};

fn check(text: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mainstay.toml");
    std::fs::write(&path, text).unwrap();
    Command::new(program()).arg("check").arg(&path).output().unwrap()
}

const GOOD: &str = r#"
[[volume]]
name = "disk"
memory = "1 MiB"
[[target]]
name = "disk"
lun = [{ number = 0, volume = "disk" }]
"#;

#[test]
fn a_good_one_passes() {
    let output = check(GOOD);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn bad_ones_are_refused_with_place_and_remedy() {
    let volume = "[[volume]]\nname = \"disk\"\n";
    // Text, and words that the complaint must have.
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("empty", String::new(), &["volume"]),
        ("no TOML", "[[volume\n".to_owned(), &["1:"]),
        ("an unknown key", GOOD.replace("memory", "mermory"), &["4:1", "mermory", "memory"]),
        ("an unknown table", format!("{GOOD}[colour]\nred = 1\n"), &["colour"]),
        ("a volume twice", format!("{GOOD}{volume}memory = \"1 MiB\"\n"), &["disk", "9:"]),
        (
            "a target twice",
            format!("{GOOD}[[target]]\nname = \"disk\"\nlun = [{{ number = 0, volume = \"disk\" }}]\n"),
            &["disk", "9:"],
        ),
        ("a LUN twice", GOOD.replace("}]", "}, { number = 0, volume = \"disk\" }]"), &["0", "7:"]),
        ("a file and memory at once", GOOD.replace("memory =", "file = \"x.img\"\nmemory ="), &["file", "memory"]),
        ("a volume without a store", GOOD.replace("memory = \"1 MiB\"\n", ""), &["memory", "file", "device"]),
        ("a LUN of no volume", GOOD.replace("volume = \"disk\"", "volume = \"dusk\""), &["dusk", "disk", "7:"]),
        ("a portal that is no address", format!("{GOOD}[[portal]]\nbind = \"here\"\n"), &["here", "9:8"]),
        (
            "a portal twice",
            format!("{GOOD}[[portal]]\nbind = \"127.0.0.1:3299\"\n[[portal]]\nbind = \"127.0.0.1:3299\"\n"),
            &["127.0.0.1:3299", "11:"],
        ),
        ("a block size nobody has", GOOD.replace("memory", "block_size = 1000\nmemory"), &["512", "4096", "4:"]),
        ("a type that is wrong", GOOD.replace("\"1 MiB\"", "true"), &["4:10", "memory"]),
        (
            "read-only memory that forgets",
            GOOD.replace("\"1 MiB\"", "\"100 bytes\""),
            &["4:10"],
        ),
        (
            "a secret without a name",
            GOOD.replace("lun =", "chap = { secret = \"123456789012\" }\nlun ="),
            &["user", "7:"],
        ),
        (
            "one secret for both directions",
            GOOD.replace(
                "lun =",
                "chap = { user = \"a\", secret = \"123456789012\", mutual = { user = \"b\", secret = \"123456789012\" } }\nlun =",
            ),
            &["7:", "secret"],
        ),
    ];
    for (name, text, words) in cases {
        let output = check(&text);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for word in words {
            assert!(said.contains(word), "{name}: no {word:?} in\n{said}");
        }
        assert!(!said.contains("123456789012"), "{name}: a secret is shown\n{said}");
        let why = Daemon::builder().config(&text).try_start().expect_err("serve must refuse it too");
        assert!(!why.contains("panicked"), "{name}: {why}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let output = Command::new(program()).arg("check").arg("/nowhere/mainstay.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("/nowhere/mainstay.toml"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_port_in_use() {
    let first = Daemon::memory();
    let address = first.volume().portal.to_string();
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let why = Daemon::builder().folder(&folder).iscsi(&address).arg("new.img").try_start().expect_err("two listeners");
    assert!(why.contains(&address), "{why}");
    assert!(!folder.path().join("new.img").exists(), "a file was made for nothing");
}
