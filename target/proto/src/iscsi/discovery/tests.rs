//! Who is told of what, and at which address.

use super::*;
use crate::iscsi::site::{Access, Acl, Auth};

const A: &str = "iqn.2026-11.com.example:a";
const B: &str = "iqn.2026-11.com.example:b";
const ME: &str = "iqn.me";

fn portal(bind: &str, advertise: Option<&str>, tag: u16) -> Portal {
    Portal { bind: bind.parse().unwrap(), advertise: advertise.map(str::to_owned), tag }
}

fn target(name: &str, portals: &[usize], access: Access) -> Target {
    Target { name: name.into(), alias: None, portals: portals.to_vec(), access, auth: Auth::None }
}

/// A site with these portals and one target served at all of them.
fn everywhere(portals: Vec<Portal>) -> Site {
    let all: Vec<usize> = (0..portals.len()).collect();
    Site { portals, targets: vec![target(A, &all, Access::Anyone)], discovery: Auth::None }
}

/// The addresses told to someone who came to `local` by `portal`.
fn addresses(site: &Site, portal: usize, local: &str) -> Vec<String> {
    let asker = Asker { site, initiator: ME, portal, local: local.parse().unwrap(), target: None };
    let text = String::from_utf8(asker.send_targets("All").unwrap().text).unwrap();
    text.split('\0').filter_map(|pair| pair.strip_prefix("TargetAddress=")).map(str::to_owned).collect()
}

fn names(site: &Site, own: Option<&str>, value: &str) -> Option<Vec<String>> {
    let local = "10.0.0.1:3260".parse().unwrap();
    let text = Asker { site, initiator: ME, portal: 0, local, target: own }.send_targets(value)?.text;
    let text = String::from_utf8(text).unwrap();
    Some(text.split('\0').filter_map(|pair| pair.strip_prefix("TargetName=")).map(str::to_owned).collect())
}

#[test]
fn which_targets() {
    let listed = |name: &str| Access::Initiators(vec![Acl { name: name.into(), auth: None }]);
    let mut site = everywhere(vec![portal("10.0.0.1:3260", None, 1), portal("127.0.0.1:3260", None, 1)]);
    site.targets = vec![
        target(A, &[0], Access::Anyone),
        target("iqn.hidden", &[0], listed("iqn.other")),
        target(B, &[0], listed("IQN.ME")),
        target("iqn.out-of-reach", &[1], Access::Anyone),
    ];
    let told = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    for (own, value, expected) in [
        (None, "All", told(&[A, B])),
        (None, B, told(&[B])),
        (None, "IQN.2026-11.com.example:B", told(&[B])),
        (None, "iqn.hidden", told(&[])),
        (None, "iqn.out-of-reach", told(&[])),
        (None, "iqn.nobody", told(&[])),
        (None, "", None),
        (Some(A), "", told(&[A])),
        (Some(A), A, told(&[A])),
        (Some(A), B, told(&[])),
        (Some(A), "All", None),
    ] {
        assert_eq!(names(&site, own, value), expected, "{own:?} {value}");
    }
}

#[test]
fn whole_answer() {
    let mut site = everywhere(vec![portal("10.0.0.1:3260", None, 1), portal("10.0.1.1:3261", None, 2)]);
    site.targets.push(target(B, &[1], Access::Anyone));
    let asker = Asker { site: &site, initiator: ME, portal: 0, local: "10.0.0.1:3260".parse().unwrap(), target: None };
    let text = String::from_utf8(asker.send_targets("All").unwrap().text).unwrap();
    assert_eq!(
        text.replace('\0', "|"),
        format!(
            "TargetName={A}|TargetAddress=10.0.0.1:3260,1|TargetAddress=10.0.1.1:3261,2|\
             TargetName={B}|TargetAddress=10.0.1.1:3261,2|"
        )
    );
}

#[test]
fn wildcards() {
    let site = everywhere(vec![portal("0.0.0.0:3260", None, 1)]);
    assert_eq!(addresses(&site, 0, "10.0.0.1:3260"), ["10.0.0.1:3260,1"]);
    assert_eq!(addresses(&site, 0, "127.0.0.1:3260"), ["127.0.0.1:3260,1"]);
    let site = everywhere(vec![portal("[::]:3260", None, 1)]);
    assert_eq!(addresses(&site, 0, "[2001:db8::1]:3260"), ["[2001:db8::1]:3260,1"]);
    assert_eq!(addresses(&site, 0, "[::ffff:10.0.0.1]:3260"), ["10.0.0.1:3260,1"]);
    // A scope is the other side's own.
    assert_eq!(addresses(&site, 0, "[fe80::1%3]:3260"), ["[fe80::1]:3260,1"]);
    // Of both families: the one of the connection.
    let site = everywhere(vec![portal("0.0.0.0:3260", None, 1), portal("[::]:3260", None, 1)]);
    assert_eq!(addresses(&site, 0, "10.0.0.1:3260"), ["10.0.0.1:3260,1"]);
    assert_eq!(addresses(&site, 1, "[2001:db8::1]:3260"), ["[2001:db8::1]:3260,1"]);
    // Another wildcard on another port.
    let site = everywhere(vec![portal("0.0.0.0:3260", None, 1), portal("0.0.0.0:3261", None, 2)]);
    assert_eq!(addresses(&site, 1, "10.0.0.1:3261"), ["10.0.0.1:3260,1", "10.0.0.1:3261,2"]);
}

#[test]
fn in_reach() {
    let site = everywhere(vec![
        portal("10.0.0.1:3260", None, 1),
        portal("127.0.0.1:3260", None, 1),
        portal("[::1]:3260", None, 1),
        portal("[fe80::1]:3260", None, 1),
        portal("169.254.0.1:3260", None, 1),
        portal("[2001:db8::1]:3260", None, 1),
    ]);
    let wide = ["10.0.0.1:3260,1", "[2001:db8::1]:3260,1"];
    assert_eq!(addresses(&site, 0, "10.0.0.1:3260"), wide);
    assert_eq!(addresses(&site, 5, "[2001:db8::1]:3260"), wide);
    let local = addresses(&site, 1, "127.0.0.1:3260");
    assert_eq!(local, ["10.0.0.1:3260,1", "127.0.0.1:3260,1", "[::1]:3260,1", "[2001:db8::1]:3260,1"]);
    let link = addresses(&site, 3, "[fe80::1%2]:3260");
    assert_eq!(link, ["10.0.0.1:3260,1", "[fe80::1]:3260,1", "169.254.0.1:3260,1", "[2001:db8::1]:3260,1"]);
}

#[test]
fn advertised() {
    for (advertise, address) in [
        ("storage.example.com", "storage.example.com:3999,1"),
        ("storage.example.com:860", "storage.example.com:860,1"),
        ("192.0.2.1", "192.0.2.1:3999,1"),
        ("192.0.2.1:860", "192.0.2.1:860,1"),
        ("2001:db8::9", "[2001:db8::9]:3999,1"),
        ("[2001:db8::9]", "[2001:db8::9]:3999,1"),
        ("[2001:db8::9]:860", "[2001:db8::9]:860,1"),
    ] {
        let site = everywhere(vec![portal("127.0.0.1:3999", Some(advertise), 1)]);
        assert_eq!(addresses(&site, 0, "10.0.0.1:3260"), [address]);
    }
}

#[test]
fn bounded() {
    let mut site = everywhere(vec![portal("10.0.0.1:3260", None, 1)]);
    site.targets = (0..30_000).map(|n| target(&format!("{A}{n}"), &[0], Access::Anyone)).collect();
    let asker = Asker { site: &site, initiator: ME, portal: 0, local: "10.0.0.1:3260".parse().unwrap(), target: None };
    let Found { text, left_out } = asker.send_targets("All").unwrap();
    let named = text.split(|&byte| byte == 0).filter(|pair| pair.starts_with(b"TargetName=")).count();
    assert_eq!(named + left_out, 30_000);
    assert!(text.len() <= ANSWER_BYTES_MAX && text.len() > ANSWER_BYTES_MAX - 200);
    assert!(text.ends_with(b"TargetAddress=10.0.0.1:3260,1\0"));
    // Indices that point nowhere are no portals.
    site.targets = vec![target(A, &[7], Access::Anyone)];
    assert_eq!(names(&site, None, "All"), Some(vec![]));
}
