//! The discovery log, byte for byte and as our own host reads it.

use crate::host::command::get_log_page;
use crate::host::discovery::{Record, parse};
use crate::nvme::identify::tests::{HOST, OTHER, Rig, SUBSYSTEM, data, dump};
use crate::nvme::site::Referral;
use crate::nvme::{Aim, Controllers, Host};

fn log(rig: &mut Rig, host: &str, portal: usize, parameter: u32) -> Vec<u8> {
    let mut controller = rig.controller(Aim::Discovery, host, portal);
    let mut entry = get_log_page(0x70, 0, 0, 8192, false);
    entry.set_dword(10, entry.dword(10) | parameter << 8);
    data(&mut controller, rig, &entry).unwrap()
}

#[test]
fn golden() {
    let mut rig = Rig::new();
    rig.local = "192.0.2.7:8009".parse().unwrap();
    assert_eq!(
        dump(&log(&mut rig, HOST, 2, 0)),
        [
            "0 07",
            "8 02",
            "1024 0301030603",
            "1030 ffff80",
            "1034 03",
            "1056 \"8009\"",
            "1280 \"nqn.2026-11.internal.mainstay:discovery\"",
            "1536 \"192.0.2.7\"",
            "2048 0301020601",
            "2054 ffff80",
            "2080 \"4420\"",
            "2304 \"nqn.2026-11.internal.mainstay:a\"",
            "2560 \"192.0.2.7\""
        ]
    );
    assert_eq!(
        dump(&log(&mut rig, HOST, 2, 7)),
        [
            "0 07",
            "8 01",
            "18 03",
            "20 0808",
            "1024 0301030603",
            "1030 ffff80",
            "1034 03",
            "1056 \"8009\"",
            "1280 \"nqn.2026-11.internal.mainstay:discovery\"",
            "1536 \"192.0.2.7\"",
            "2048 0804"
        ]
    );
}

/// Kind, PORTID, address, port, name.
fn told(page: &[u8]) -> Vec<(u8, u16, String, String, String)> {
    let short = |record: Record| (record.kind, record.port_id, record.address, record.service, record.nqn);
    parse(page).unwrap().1.into_iter().map(short).collect()
}

fn of_subsystems(page: &[u8]) -> Vec<(u16, String)> {
    let subsystems = told(page).into_iter().filter(|entry| entry.0 == 2);
    subsystems.map(|(_, portal, address, port, _)| (portal, format!("{address} {port}"))).collect()
}

#[test]
fn a_host_is_told_of_what_it_can_reach() {
    let mut rig = Rig::new();
    rig.site.portals[1].bind = "198.51.100.1:4421".parse().unwrap();
    let found = |rig: &mut Rig, local: &str, portal| {
        rig.local = local.parse().unwrap();
        of_subsystems(&log(rig, HOST, portal, 0))
    };
    let both = [(1, "192.0.2.7 4420".to_owned()), (2, "198.51.100.1 4421".to_owned())];
    assert_eq!(found(&mut rig, "192.0.2.7:4420", 0), both);
    assert_eq!(found(&mut rig, "192.0.2.7:8009", 2), both);
    // By IPv6 the IPv4 wildcard is not seen, as it may be another machine's way.
    assert_eq!(found(&mut rig, "[2001:db8::1]:8009", 2), both[1..]);
    // What listens on one address only for this machine is not told to others.
    rig.site.portals[1].bind = "127.0.0.1:4421".parse().unwrap();
    assert_eq!(found(&mut rig, "192.0.2.7:8009", 2), both[..1]);
    assert_eq!(found(&mut rig, "127.0.0.1:8009", 2), [(1, "127.0.0.1 4420".into()), (2, "127.0.0.1 4421".into())]);
    // One that serves discovery only has no subsystem.
    rig.site.portals[0].discovery_only = true;
    assert_eq!(found(&mut rig, "192.0.2.7:8009", 2), []);
}

#[test]
fn advertised_addresses() {
    let mut rig = Rig::new();
    rig.site.subsystems[0].portals = vec![0];
    for (advertise, told, family) in [
        ("storage.example", "storage.example 4420", 1),
        ("storage.example:14420", "storage.example 14420", 1),
        ("203.0.113.9:1", "203.0.113.9 1", 1),
        ("2001:db8::2", "2001:db8::2 4420", 2),
        ("[2001:db8::2]", "2001:db8::2 4420", 2),
        ("[2001:db8::2]:1", "2001:db8::2 1", 2),
    ] {
        rig.site.portals[0].advertise = Some(advertise.into());
        let page = log(&mut rig, HOST, 0, 0);
        assert_eq!(of_subsystems(&page), [(1, told.to_owned())]);
        assert_eq!(parse(&page).unwrap().1[1].family, family);
    }
}

#[test]
fn subsystems_in_order_and_only_to_whom_may_connect() {
    let mut rig = Rig::new();
    let mut private = rig.site.subsystems[0].clone();
    (private.nqn, private.portals) = ("nqn.2026-11.internal.mainstay:0".into(), vec![0]);
    private.hosts = Some(vec![Host { nqn: OTHER.into(), keys: None }]);
    private.controllers = Controllers::Static(2);
    rig.site.subsystems.push(private);
    let names = |page: &[u8]| -> Vec<String> { told(page).into_iter().map(|entry| entry.4).collect() };
    let own = "nqn.2026-11.internal.mainstay:discovery";
    assert_eq!(names(&log(&mut rig, HOST, 0, 0)), [own, SUBSYSTEM]);
    // All NVM subsystem entries: asking does not help.
    assert_eq!(names(&log(&mut rig, HOST, 0, 4)), [own, SUBSYSTEM]);
    let page = log(&mut rig, OTHER, 0, 0);
    assert_eq!(names(&page), [own, "nqn.2026-11.internal.mainstay:0", SUBSYSTEM]);
    let cntlids: Vec<u16> = parse(&page).unwrap().1.into_iter().map(|record| record.cntlid).collect();
    assert_eq!(cntlids, [0xffff, 0xfffe, 0xffff]);
}

#[test]
fn one_port_only() {
    let mut rig = Rig::new();
    rig.site.portals[1].bind = "198.51.100.1:4421".parse().unwrap();
    assert_eq!(of_subsystems(&log(&mut rig, HOST, 0, 2)), [(1, "192.0.2.7 4420".into())]);
    assert_eq!(of_subsystems(&log(&mut rig, HOST, 2, 2)), []);
}

#[test]
fn referrals_come_last() {
    let mut rig = Rig::new();
    let referral = |address: &str| Referral {
        nqn: "nqn.2014-08.org.nvmexpress.discovery".into(),
        address: address.into(),
        port: 8009,
    };
    rig.site.discovery.referrals = vec![referral("[2001:db8::3]"), referral("192.0.2.9")];
    let page = log(&mut rig, HOST, 0, 0);
    let last: Vec<_> =
        told(&page).into_iter().skip(2).map(|(kind, _, address, port, _)| (kind, address, port)).collect();
    assert_eq!(last, [(1, "2001:db8::3".into(), "8009".into()), (1, "192.0.2.9".into(), "8009".to_owned())]);
}
