//! A folder of bad files with what is said of each; every key does something; nothing panics.

use super::read::tables;
use super::remark::{Level, Remark};
use super::*;
use mainstay_proto::auth::Hash;
use mainstay_proto::nvme::Controllers;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const FULL: &str = include_str!("tests/full.toml");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests");

fn shown(remarks: &[Remark], level: Level, folder: &Path) -> String {
    let text: Vec<_> = remarks.iter().map(|remark| remark.show(level, false)).collect();
    text.join("\n").replace(&format!("{}/", folder.display()), "")
}

fn problems(text: &str, folder: &Path) -> String {
    shown(&Config::parse(text, &folder.join("c.toml"), None).unwrap_err(), Level::Problem, folder)
}

pub(super) fn good(text: &str) -> Config {
    Config::parse(text, Path::new("c.toml"), None).unwrap().0
}

/// A folder with the files that `full.toml` names, and its text.
pub(super) fn full() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("mutual.secret", "mutual secret 1\n"),
        ("b.secret", "secret of b 12"),
        ("b.dhchap", "DHHC-1:01:QLJEESZB3XjdT5O2yRkN1G4AmRlNWkQle3761u+f9Gi4MYCR:\n"),
        ("controller.dhchap", "DHHC-1:01:O6+/CIgqLRATMJOhuEM/UFY7k8FKzQW3kCjrHRJ5kCctfBbu:\n"),
    ] {
        fs::write(folder.path().join(name), secret).unwrap();
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o600)).unwrap();
    }
    // No test may count on a block device, so that line is checked by itself.
    let text = FULL.replace("device = \"DEVICE\"", "memory = 4096");
    (folder, text)
}

/// To accept what is said now: MAINSTAY_ACCEPT=1 cargo test -p mainstay config
#[test]
fn what_is_said_of_bad_files() {
    let folder = Path::new(HERE).join("bad");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 12);
    for file in files {
        let said = match Config::load(&file) {
            Ok(_) => panic!("{} is good", file.display()),
            Err(problems) => shown(&problems, Level::Problem, &folder),
        };
        assert!(!said.contains("hunter2"), "a secret is shown: {said}");
        let expected = file.with_extension("txt");
        if std::env::var_os("MAINSTAY_ACCEPT").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert!(said == expected, "{}\n--- said\n{said}--- expected\n{expected}", file.display());
    }
}

#[test]
fn a_full_file_is_read() {
    let (folder, text) = full();
    let (config, warnings) = Config::parse(&text, &folder.path().join("c.toml"), Some(0o100640)).unwrap();
    let warnings = shown(&warnings, Level::Warning, folder.path());
    assert_eq!(config.portals[1].bind, "[::]:3260".parse::<SocketAddr>().unwrap());
    assert_eq!((config.portals[1].tag, config.portals[1].advertise.as_deref()), (2, Some("san.example.org:3260")));
    let system = &config.volumes[0];
    assert_eq!(system.backing, Backing::File { path: folder.path().join("system.img"), create: Some(20 << 30) });
    assert_eq!(
        (system.block_bytes, system.physical_bytes, system.thin, system.write_cache),
        (Some(4096), Some(65536), false, false)
    );
    assert_eq!(system.identity.naa, Some([0x30, 0, 0, 0, 0, 0, 0, 1]));
    assert!(!config.volumes[1].thin && config.volumes[2].thin);
    let target = &config.targets[0];
    assert_eq!((target.name.as_str(), &target.portals[..]), ("iqn.2026-11.org.example:system", &[1][..]));
    assert_eq!(config.targets[1].luns, [Lun { number: 0, volume: 2, read_only: Some(true) }]);
    let Auth::Chap(chap) = &target.auth else { panic!() };
    assert_eq!(chap.algorithms, [Hash::Sha3_256, Hash::Sha256]);
    assert_eq!(chap.outgoing.as_ref().unwrap().secret.as_bytes(), b"mutual secret 1");
    let Access::Initiators(list) = &target.access else { panic!() };
    assert!(list[0].auth.is_none());
    let Some(Auth::Chap(chap)) = &list[1].auth else { panic!() };
    assert_eq!(chap.incoming.secret.as_bytes(), b"secret of b 12");
    let subsystem = &config.nvme.subsystems[0];
    assert_eq!((subsystem.nqn.as_str(), &subsystem.portals[..]), ("nqn.2026-11.org.example:system", &[0][..]));
    assert_eq!(subsystem.controllers, Controllers::Static(4));
    assert!(subsystem.namespaces[0].shows_to("nqn.2026-11.org.example:b"));
    assert!(!subsystem.namespaces[0].shows_to("nqn.2026-11.org.example:a") && subsystem.namespaces[1].read_only);
    let keys = subsystem.keys_of("nqn.2026-11.org.example:a").unwrap();
    assert_eq!((&keys.hashes[..], &keys.groups[..]), (&[3][..], &[2, 5][..]));
    assert!(subsystem.keys_of("nqn.2026-11.org.example:b").unwrap().host.ends_with("u+f9Gi4MYCR:"));
    assert!(config.nvme.portals[2].discovery_only && config.nvme.discovery.announce);
    assert_eq!((config.nvme.discovery.referrals[0].port, config.nvme.limits.in_capsule), (8009, 32 << 10));
    assert!(!format!("{config:?}").contains("secret of b") && !format!("{config:?}").contains("DHHC"));
    assert!(warnings.contains("chmod 600"), "{warnings}");
    assert!(warnings.contains("anyone who reaches [::]:3260 may use this target"), "{warnings}");
    assert!(!warnings.contains("a secret of some length"), "{warnings}");
    assert!(config.summary().starts_with("good; serves 3 volumes as 2 targets on 127.0.0.1:3261 and [::]:3260, and as 1 NVMe subsystem on 127.0.0.1:4421, [::]:4420 \
         and [::]:8009\n"));
}

#[test]
fn every_documented_key_does_something() {
    let (folder, text) = full();
    let file = folder.path().join("c.toml");
    let read = |text: &str| Config::parse(text, &file, None).map(|(config, _)| config);
    let whole = read(&text).unwrap();
    let documented: BTreeSet<&str> = tables().iter().flat_map(|table| table.keys).map(|key| key.name).collect();
    let mut seen = BTreeSet::new();
    for (at, line) in text.lines().enumerate() {
        let words = line.trim().trim_start_matches(['[', '{']).trim_end_matches([']']);
        for word in words.split(['.', ' ', ',']) {
            seen.insert(word.trim());
        }
        let Some((key, _)) = line.split_once(" = ") else { continue };
        if line.starts_with([' ', '#']) || line.ends_with('[') {
            continue;
        }
        assert!(documented.contains(key), "{key} is not documented");
        let without: Vec<&str> =
            text.lines().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| line).collect();
        assert!(read(&without.join("\n")).as_ref() != Ok(&whole), "{line} does nothing");
    }
    let missing: Vec<_> = documented.iter().filter(|key| !seen.contains(**key) && **key != "device").collect();
    assert!(missing.is_empty(), "{missing:?}");
    let device = problems(&FULL.replace("DEVICE", "/dev/null"), folder.path());
    assert!(device.contains("/dev/null is neither a file nor a block device"), "{device}");
}

#[test]
fn the_reference_names_every_key() {
    let text = reference();
    for table in tables() {
        assert!(text.contains(&format!("`{}`", table.header)) || table.header.is_empty());
        for key in table.keys {
            assert!(text.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
    let page = manual();
    for key in tables().iter().flat_map(|table| table.keys) {
        assert!(page.contains(&format!(".TP\n\\fB{}\\fR = ", key.name)), "{}", key.name);
    }
    assert!(page.lines().all(|line| !line.starts_with('\'') && !line.contains('`')), "{page}");
    assert_eq!(text.matches("\n# ").count() + usize::from(text.starts_with("# ")), 1);
}

pub(super) const SMALL: &str =
    "[[volume]]\nname = 'a'\nmemory = '1 GiB'\n[[target]]\nname = 't'\nlun = [{ number = 0, volume = 'a' }]\n";

#[test]
fn a_small_file_has_these_defaults() {
    let config = good(SMALL);
    assert_eq!(config.portals, [Portal::local()]);
    assert_eq!(config.targets[0].name, "iqn.2026-11.internal.mainstay:t");
    assert_eq!((config.targets[0].access.clone(), config.targets[0].auth.clone()), (Access::Anyone, Auth::None));
    assert_eq!(config.volumes, [Volume::new("a", Backing::Memory { bytes: 1 << 30 })]);
    assert_eq!((config.limits, config.log), (Limits::default(), Log::default()));
    assert_eq!((config.state_dir, config.control), (None, None));
}

/// The defaults in the table of keys are the ones in the code.
#[test]
fn documented_defaults_hold() {
    let mut text = SMALL.to_owned();
    for (header, table) in [("[limits]", &keys::LIMITS), ("[[portal]]\nbind = '127.0.0.1:3260'", &keys::PORTAL)] {
        text += &format!("{header}\n");
        for key in table.keys.iter().filter(|key| key.default.starts_with(['"', '0', '1', '2'])) {
            text += &format!("{} = {}\n", key.name, key.default);
        }
    }
    let volume: String = keys::VOLUME
        .keys
        .iter()
        .filter(|key| ["true", "false"].contains(&key.default))
        .map(|key| format!("{} = {}\n", key.name, key.default))
        .collect();
    assert_eq!(volume.lines().count(), 3);
    let text = text.replace("memory = '1 GiB'\n", &format!("memory = '1 GiB'\n{volume}"));
    assert_eq!(good(&text), good(SMALL), "{text}");
}

#[test]
fn secret_files_must_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("the secret");
    let text = format!("{SMALL}chap = {{ user = 'u', secret_file = 'the secret' }}\n");
    let check = |contents: &[u8], mode| {
        let _ = fs::remove_file(&secret);
        fs::write(&secret, contents).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
        problems(&text, folder.path())
    };
    let said = check(b"0123456789abcdef\n", 0o640);
    assert!(
        said.contains("others may use the secret (mode 0640)") && said.contains("chmod 600 'the secret'"),
        "{said}"
    );
    assert!(check(b"\n", 0o600).contains("is empty"));
    assert!(check(b"a\nb\n", 0o600).contains("more than one line"));
    assert!(check(&[b'x'; 256], 0o400).contains("at most 255 bytes"));
    fs::remove_file(&secret).unwrap();
    fs::create_dir(&secret).unwrap();
    assert!(problems(&text, folder.path()).contains("not a regular file"));
}

#[test]
fn files_are_looked_at_but_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk.img");
    let text = SMALL.replace("memory = '1 GiB'", "file = 'disk.img'");
    fs::write(&file, [0; 1024]).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    let said = problems(&text, folder.path());
    assert!(said.contains("write-protected") && said.contains("read_only = true"), "{said}");
    let text = text.replace("name = 'a'", "name = 'a'\nread_only = true");
    assert!(Config::parse(&text, &folder.path().join("c.toml"), None).is_ok());
    // Another name for the same file is the same file.
    fs::hard_link(&file, folder.path().join("link.img")).unwrap();
    let twice = format!("{text}\n[[volume]]\nname = 'b'\nread_only = true\nfile = 'link.img'\n");
    assert!(problems(&twice, folder.path()).contains("volume[0] has this file already"));
    assert_eq!(fs::metadata(&file).unwrap().len(), 1024);
}

#[test]
fn warnings_are_worth_a_look() {
    let open = format!("[[portal]]\nbind = '0.0.0.0'\n{SMALL}");
    let warnings =
        |text: &str| shown(&Config::parse(text, Path::new("c.toml"), None).unwrap().1, Level::Warning, Path::new(""));
    assert_eq!(warnings(SMALL), "");
    assert!(warnings(&open).contains("anyone who reaches 0.0.0.0:3260 may use this target"));
    let listed = format!("{open}initiator = [{{ name = 'iqn.2026-11.org.example:i' }}]\n");
    assert!(warnings(&listed).contains("anyone who claims a listed name"));
    let short = format!("{open}chap = {{ user = 'u', secret = 'hunter2' }}\n");
    let said = warnings(&short);
    assert!(said.contains("only 7 bytes") && !said.contains("hunter2"), "{said}");
    assert!(warnings(&SMALL.replace("number = 0", "number = 7")).contains("no LUN 0"));
    assert!(warnings(&format!("{SMALL}[[volume]]\nname = 'b'\nmemory = 512\n")).contains("nobody reaches it"));
}

#[test]
fn check_says_what_would_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let status = check(&file, &mut out, false).unwrap();
        (status, String::from_utf8(out).unwrap().replace(&format!("{}/", folder.path().display()), ""))
    };
    let served = "c.toml: good; serves 1 volume as 1 target on 127.0.0.1:3260\n  \
                  iqn.2026-11.internal.mainstay:t LUN 0: a (1 GiB of memory), for anyone\n";
    assert_eq!(run(SMALL), (0, served.to_owned()));
    let (status, said) = run("[[volume]]\n");
    assert_eq!(status, 1);
    assert!(said.ends_with("c.toml: 3 problems\n"), "{said}");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(check(&file, &mut Vec::new(), true).unwrap(), 1);
    assert_eq!(check(folder.path(), &mut Vec::new(), true).unwrap(), 1);
    assert_eq!(check(&folder.path().join("none"), &mut Vec::new(), true).unwrap(), 1);
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(check(&file, &mut Vec::new(), true).unwrap(), 1);
}

#[test]
fn colours_are_for_terminals() {
    let remark = Remark::plain("a\x1b[31m", "b");
    assert!(!remark.show(Level::Problem, false).contains('\x1b'));
    assert!(remark.show(Level::Problem, true).starts_with("\x1b[1;31merror\x1b[0m"));
}

#[test]
fn serve_makes_a_configuration_of_paths() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let options = ServeOptions::default();
    let config = Config::from_paths(&[], &options).unwrap();
    assert_eq!(config.volumes, [Volume::new("memory", Backing::Memory { bytes: 1 << 30 })]);
    assert_eq!(config.targets[0].name, "iqn.2026-11.internal.mainstay:memory");
    assert_eq!(config.portals, [Portal::local()]);

    fs::write(at("Other Disk_.img"), [0; 1024]).unwrap();
    let paths = [at("disk.img"), at("disk.raw"), at("Other Disk_.img"), at("Ünï.img"), at("___")];
    let config = Config::from_paths(&paths, &ServeOptions { size: Some(4096), ..options.clone() }).unwrap();
    let names: Vec<_> = config.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["disk", "disk-2", "other-disk", "n", "volume"]);
    assert_eq!(config.volumes[0].backing, Backing::File { path: at("disk.img"), create: Some(4096) });
    assert!(config.targets.iter().all(|target| super::name::check(&target.name).is_ok()));
    assert!(!at("disk.img").exists());

    let said = |paths: &[PathBuf], options: ServeOptions| {
        let problems = Config::from_paths(paths, &options).unwrap_err();
        problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    };
    fs::write(at("odd.img"), [0; 700]).unwrap();
    let all = said(&[folder.path().into(), at("odd.img"), at("no/disk.img"), at("new"), at("new")], options.clone());
    assert_eq!(all.lines().count(), 4, "{all}");
    assert!(all.contains("is a folder") && all.contains("700 bytes are no whole number of blocks of 512"), "{all}");
    let read_only = ServeOptions { read_only: true, ..options.clone() };
    assert!(said(&[at("new")], read_only).contains("stays empty"));
    let twice = ["127.0.0.1:3260", "0.0.0.0:3260"].map(|text| text.parse().unwrap()).to_vec();
    let all = said(&[], ServeOptions { iscsi: twice, size: Some(100), name_prefix: Some("iqn".into()), ..options });
    assert_eq!(all.lines().count(), 3, "{all}");
}

/// The commented example that packages install.
const EXAMPLE: &str = include_str!("../../../../systemd/mainstay.toml");

#[test]
fn the_example_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mainstay.toml");
    let text = EXAMPLE.replace("/srv/mainstay", &folder.path().display().to_string());
    fs::write(&file, &text).unwrap();
    let (config, warnings) = Config::load(&file).unwrap();
    assert_eq!((warnings.len(), config.targets.len(), config.volumes.len()), (0, 1, 1));
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn the_example_shows_every_key_as_it_is() {
    let setting = |line: &str| {
        let line = line.trim_start_matches('#');
        line.split_once(" = ").map_or("", |(key, _)| key).trim().to_owned()
    };
    let shown: BTreeSet<String> = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("# "))
        .flat_map(|line| line.split([',', '{']))
        .map(setting)
        .collect();
    let simple = |key: &&keys::Key| !matches!(key.kind, kind::Kind::One(_) | kind::Kind::Many(_));
    for table in tables() {
        for key in table.keys.iter().filter(simple) {
            assert!(shown.contains(key.name), "{} {} is not shown", table.header, key.name);
        }
    }
    // All switched on at once it contradicts itself, but every key is known and every value can be read.
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with("   {") => rest.to_owned(),
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<String> = EXAMPLE.lines().map(on).collect();
    let said = problems(&text.join("\n"), Path::new("no/such/folder"));
    let counts = ["there is a `secret` already", "there is no folder", "REPLACE-ME: No such file", "error: "];
    assert_eq!(counts.map(|sign| said.matches(sign).count()), [2, 1, 1, 6], "{said}");
}

#[test]
fn near_words_are_found() {
    let words = ["read_only", "write_cache", "thin", "serial"];
    for (given, near) in
        [("readonly", "read_only"), ("wirte-cache", "write_cache"), ("THIN", "thin"), ("seriel", "serial")]
    {
        assert_eq!(kind::nearest(given, words), Some(near));
    }
    for given in ["colour", "x", "", "___"] {
        assert_eq!(kind::nearest(given, words), None, "{given}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*") {
        read_it(&text);
    }

    #[test]
    fn any_damage_to_a_good_file_is_read_without_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}=\"'.,#\n\té0-9a-z]{0,6}", 0usize..8), 1..6)
    ) {
        let mut text: Vec<char> = full().1.chars().collect();
        for (at, new, gone) in damage {
            let at = at.index(text.len());
            let end = (at + gone).min(text.len());
            text.splice(at..end, new.chars());
        }
        read_it(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_stem_makes_a_good_name(stems in prop::collection::vec("\\PC{0,300}", 1..8)) {
        let mut taken = BTreeSet::new();
        for stem in stems {
            let tail = super::name::from_stem(&stem, 223 - super::name::PREFIX.len() - 1, &mut taken);
            let name = format!("{}:{tail}", super::name::PREFIX);
            prop_assert!(super::name::check(&name).is_ok(), "{name}");
        }
    }
}

/// Whatever comes out, each remark can be printed.
fn read_it(text: &str) {
    let remarks = match Config::parse(text, Path::new("no/such/folder/c.toml"), Some(0o644)) {
        Ok((config, warnings)) => {
            config.summary();
            warnings
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems
        }
    };
    for remark in remarks {
        remark.show(Level::Problem, true);
        let _ = remark.to_string();
    }
}
