//! The passport of a configuration: what is saved comes back, what is written says the same, no difference goes unnoticed.

use super::super::read::tables as all_tables;
use super::super::tests::{SMALL, full, good};
use super::super::{Given, ServeOptions};
use super::*;
use mainstay_base::snapshot::Section;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn rich() -> (tempfile::TempDir, Config) {
    let (folder, text) = full();
    let (mut config, _) = Config::parse(&text, &folder.path().join("c.toml"), None).unwrap();
    config.given = Given { state_dir: true, control: false };
    config.volumes[2].backing = Backing::Device { path: "/dev/sdx".into() };
    (folder, config)
}

fn again(config: &Config) -> Config {
    let section = config.save();
    let restored = Config::restore(&section).unwrap();
    assert_eq!(restored.save(), section, "not canonical");
    restored
}

#[test]
fn a_configuration_survives_with_everything_on() {
    let (_folder, config) = rich();
    assert_eq!(again(&config), config);
    assert_eq!(again(&config).recheck(), Ok(()));
    assert_eq!(again(&good(SMALL)), good(SMALL));
    let odd = std::path::PathBuf::from(OsString::from_vec(b"/srv/\xff\xfe.img".to_vec()));
    let options =
        ServeOptions { block_bytes: Some(4096), read_only: true, control: Some("c".into()), ..Default::default() };
    let mut config = Config::from_paths(&[], &options).unwrap();
    config.volumes[0].backing = Backing::File { path: odd, create: Some(1 << 30) };
    assert_eq!(again(&config), config);
    assert_eq!(again(&config).recheck(), Ok(()));
    assert!(config.given.control && !config.given.state_dir);
    config.portals =
        ["127.0.0.1:0", "127.0.0.1:0", "[fe80::1%3]:3260"].map(|text| Portal::at(text.parse().unwrap())).into();
    config.targets[0].portals = vec![1];
    assert_eq!((again(&config).recheck(), again(&config)), (Ok(()), config.clone()));
    assert!(config.difference(&config.clone()).is_empty());
}

#[test]
fn what_is_written_says_the_same() {
    let (_folder, mut config) = rich();
    // What no file says.
    config.volumes[2].backing = Backing::Memory { bytes: 4096 };
    config.given = Given::default();
    let text = config.written(&mut |secret| String::from_utf8(secret.as_bytes().to_vec()).unwrap()).to_string();
    let file = config.file.clone().unwrap();
    assert_eq!(Config::parse(&text, &file, None).unwrap().0, config, "{text}");
}

#[test]
fn it_is_shown_without_secrets() {
    let (folder, config) = rich();
    let shown = config.show().replace(&folder.path().display().to_string(), "DIR");
    assert!(!shown.contains("secret of b") && !shown.contains("some length") && !shown.contains("mutual secret"));
    for line in [
        "name = \"system\"",
        "file = \"DIR/system.img\"",
        "create = \"20 GiB\"",
        "naa = \"3000000000000001\"",
        "secret = \"(not shown)\"",
        "ping_timeout = \"10 min\"",
        "device = \"/dev/sdx\"",
        "[[target.lun]]",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn differences_are_told_by_key() {
    let (_folder, config) = rich();
    let mut other = config.clone();
    other.limits.window_max = 128;
    other.log.filter = None;
    other.volumes[0].backing = Backing::Memory { bytes: 512 };
    other.volumes[1].name = "heap".into();
    other.targets[0].luns.remove(1);
    other.targets[1].auth = other.targets[0].auth.clone();
    let Auth::Chap(chap) = &mut other.targets[0].auth else { panic!() };
    chap.incoming.secret = Secret::new(*b"sesame, sesame");
    let told = config.difference(&other);
    let system = "target \"iqn.2026-11.org.example:system\"";
    for line in [
        "limits.window: 64 to 128",
        "log.level: \"debug\" to the default",
        "volume \"system\".memory: the default to \"512 B\"",
        "volume \"scratch\": gone",
        "volume \"heap\": new",
        "target \"iqn.2026-11.org.example:raw\".chap: new",
        &format!("{system}.lun 1: gone"),
        &format!("{system}.chap.secret: another one"),
    ] {
        assert!(told.iter().any(|told| told == line), "{line} is not in {told:#?}");
    }
    assert!(!told.concat().contains("sesame") && !told.concat().contains("secret 0"), "{told:#?}");
    other = config.clone();
    other.volumes.swap(0, 1);
    assert!(config.difference(&other).contains(&"volume: another order".to_owned()));
}

/// For each key the table knows: some change of its line is a change of the configuration, and none of those is missed.
#[test]
fn no_key_changes_unnoticed() {
    let (folder, text) = full();
    let file = folder.path().join("c.toml");
    for (name, secret) in [
        ("other.secret", "yet another one"),
        ("other.dhchap", "DHHC-1:01:Bt8FNxmBojfQ7RFHL658lMmsDv8dBUE1FnENF7EKT7aubuQ8:"),
    ] {
        std::fs::write(folder.path().join(name), secret).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.path().join(name), private).unwrap();
    }
    let whole = Config::parse(&text, &file, None).unwrap().0;
    let mut noticed = BTreeSet::new();
    let mut table = String::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            table = line.to_owned();
        }
        let Some((key, value)) = line.trim().split_once(" = ") else { continue };
        if key.contains('{') {
            continue;
        }
        let quoted = [
            "",
            "x",
            "1",
            "memory",
            "scratch",
            "SHA-256",
            "127.0.0.1:9",
            "iqn.2026-11.org.other",
            "eui.0123456789abcdef",
            "1 MiB",
            "11 s",
            "warn",
            "human",
            "h:1",
            "67e55044-10b1-426f-9247-bb680e5fe0c9",
            "3000000000000002",
            "other.secret",
            "local",
            "nqn.2026-11.org.example:a",
            "nqn.2026-11.org.other",
            "[::]:4420",
            "SHA-384",
            "ffdhe2048",
            "64 KiB",
            "DHHC-1:01:oyHYtAXj7yYElZhHs20XHuvrxKiUHccKR4STWk/KXVgj0R7B:",
            "other.dhchap",
        ];
        let mut values: Vec<String> =
            quoted.iter().flat_map(|text| [format!("\"{text}\""), format!("[\"{text}\"]")]).collect();
        values.extend(["true", "false", "1", "9", "512", "1048576"].map(str::to_owned));
        values.push(value.replace("\"", "\"z"));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut variants = vec![String::new()];
        variants.extend(values.iter().map(|value| format!("{key} = {value}")));
        for variant in variants {
            lines[at] = variant;
            let Ok((other, _)) = Config::parse(&lines.join("\n"), &file, None) else { continue };
            if other == whole {
                continue;
            }
            assert_ne!(other.save(), whole.save(), "{table} {} is not saved", lines[at]);
            assert!(!whole.difference(&other).is_empty(), "{table} {} is not told", lines[at]);
            assert_eq!(other.recheck(), Ok(()), "{table} {}", lines[at]);
            assert_eq!(again(&other), other);
            noticed.insert(key.to_owned());
        }
    }
    // Those of the inline tables, and the device, which no test can count on: changed by hand below.
    noticed.extend(["number", "volume", "device"].map(str::to_owned));
    let is_table = |key: &&super::super::keys::Key| matches!(key.kind, kind::Kind::One(_) | kind::Kind::Many(_));
    let known = all_tables()
        .into_iter()
        .flat_map(|table| table.keys)
        .filter(|key| !is_table(key))
        .map(|key| key.name.to_owned());
    let missed: Vec<_> = known.filter(|key| !noticed.contains(key)).collect();
    assert!(missed.is_empty(), "nothing was seen of {missed:?}");

    let changes: [fn(&mut Config); 6] = [
        |config| config.targets[0].luns[1].number = 3,
        |config| config.targets[0].luns[1].volume = 2,
        |config| config.volumes[2].backing = Backing::Device { path: "/dev/sdy".into() },
        |config| config.discovery = Auth::None,
        |config| config.targets[0].access = Access::Anyone,
        |config| config.targets[0].luns[0].read_only = Some(false),
    ];
    for change in changes {
        let mut other = whole.clone();
        change(&mut other);
        assert_ne!(other.save(), whole.save());
        assert!(!whole.difference(&other).is_empty());
    }
}

#[test]
fn rules_hold_for_what_was_handed_over_too() {
    let rule = |change: fn(&mut Config)| {
        let (_folder, mut config) = rich();
        change(&mut config);
        let problems = again(&config).recheck().unwrap_err();
        problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    };
    let said = rule(|config| config.targets[0].name = "iqn.Bad".into());
    assert!(said.starts_with("target[0].name: "), "{said}");
    assert!(rule(|config| config.limits.window_max = 5000).starts_with("limits.window: "));
    assert!(rule(|config| config.limits.ping_timeout = Duration::ZERO).starts_with("limits.ping_timeout: "));
    assert!(rule(|config| config.volumes[1].name = "system".into()).contains("volume[1].name: volume[0] is called"));
    assert!(rule(|config| config.volumes[0].physical_bytes = Some(3)).contains("volume[0].physical_block_size"));
    assert!(rule(|config| config.portals[0].bind = config.portals[1].bind).contains("has this address already"));
    assert!(rule(|config| config.log.filter = Some("mainstay=loud".into())).starts_with("log.level: "));
    assert!(rule(|config| config.targets[0].luns[1].number = 0).contains("has the number 0 already"));
    let said = rule(|config| {
        let Auth::Chap(chap) = &mut config.targets[0].auth else { return };
        chap.outgoing = Some(Credential { name: "x".into(), secret: chap.incoming.secret.clone() });
    });
    assert!(said.contains("the same secret in both directions") && !said.contains("some length"), "{said}");
    let said = rule(|config| {
        let Auth::Chap(chap) = &mut config.targets[0].auth else { return };
        chap.incoming.secret = Secret::new(vec![b'x'; 256]);
    });
    assert!(said.contains("a CHAP secret of 256 bytes"), "{said}");
}

#[test]
fn damaged_forms_are_refused() {
    let (_folder, config) = rich();
    let good = config.save();
    for wrong in [
        Section { kind: "state".into(), ..good.clone() },
        Section { version: 2, ..good.clone() },
        Section { payload: vec![0xff; 9].into(), ..good.clone() },
        Section { payload: Default::default(), ..good.clone() },
    ] {
        assert!(Config::restore(&wrong).is_err());
    }
}

proptest! {
    /// Bytes are only bytes: whatever a damaged section holds, it is refused or it is a configuration.
    #[test]
    fn any_damage_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (_folder, config) = rich();
        let mut section = config.save();
        let at = at.index(section.payload.len());
        match cut {
            true => section.payload.truncate(at),
            false => {
                let mut payload = section.payload.to_vec();
                payload[at] = byte;
                section.payload = payload.into();
            }
        }
        if let Ok(config) = Config::restore(&section) {
            let _ = (config.recheck(), config.show(), config.difference(&good(SMALL)));
            again(&config);
        }
    }
}

#[test]
fn the_file_is_compared_as_it_is_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, SMALL).unwrap();
    let mut config = Config::load(&file).unwrap().0;
    assert_eq!(config.compare_with_file(), Vec::<String>::new());
    config.given.control = true;
    config.control = Some("elsewhere".into());
    assert_eq!(config.compare_with_file(), Vec::<String>::new());
    config.given.control = false;
    let shown = file.display().to_string();
    let said = config.compare_with_file();
    assert_eq!(said, [format!("{shown} has changed and is not applied: control: \"elsewhere\" to the default")]);
    std::fs::write(&file, "[[volume]]\n").unwrap();
    let said = config.compare_with_file();
    assert!(said.len() == 1 && said[0].contains("could not be used now (`mainstay check"), "{said:?}");
    config.file = None;
    assert!(config.compare_with_file().is_empty());
}
