use super::*;
use crate::control::words::{Lun, Namespace, NvmePortal, Portal};
use serde_json::{Value, json};

fn served(address: &str, auth: Auth) -> Served {
    let address = address.parse().unwrap();
    let name = "iqn.2026-11.internal.mainstay:disk".to_owned();
    let volume = ServedVolume {
        name: "disk".into(),
        kind: VolumeKind::File,
        path: Some("/tmp/disk.img".into()),
        created: true,
        size: 1 << 30,
        block_bytes: 512,
        read_only: false,
    };
    Served {
        pid: 7,
        control: "/run/mainstay/control.sock".into(),
        state_dir: "/var/lib/mainstay".into(),
        config: None,
        portals: vec![Portal { address, advertise: None, tag: 1, targets: 1, sessions: 0 }],
        targets: vec![Target {
            name,
            alias: None,
            portals: vec![address],
            auth,
            luns: vec![Lun { lun: 0, volume: "disk".into() }],
        }],
        nvme_portals: vec![NvmePortal {
            name: "127.0.0.1:4420".into(),
            address: "127.0.0.1:4420".parse().unwrap(),
            advertise: None,
            discovery_only: false,
            queues: 0,
        }],
        subsystems: vec![Subsystem {
            nqn: "nqn.2026-11.internal.mainstay:disk".into(),
            serial: "1".into(),
            portals: vec!["127.0.0.1:4420".parse().unwrap()],
            auth,
            namespaces: vec![Namespace { nsid: 1, volume: "disk".into(), group: 1, read_only: false }],
        }],
        volumes: vec![volume],
    }
}

#[test]
fn the_banner_names_what_to_type() {
    let text = serve_banner(&served("127.0.0.1:3260", Auth::None), Paint(false));
    for line in [
        "serves 1 disk\n",
        "1 GiB, blocks of 512 bytes  /tmp/disk.img, made just now\n",
        "  iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260\n",
        "  iscsiadm -m node -T iqn.2026-11.internal.mainstay:disk -p 127.0.0.1:3260 --login\n",
        "  New-IscsiTargetPortal -TargetPortalAddress 127.0.0.1 -TargetPortalPortNumber 3260\n",
        "  Connect-IscsiTarget -NodeAddress iqn.2026-11.internal.mainstay:disk\n",
        "-drive file=iscsi://127.0.0.1:3260/iqn.2026-11.internal.mainstay:disk/0,format=raw,if=virtio",
        "  nvme connect -t tcp -a 127.0.0.1 -s 4420 -n nqn.2026-11.internal.mainstay:disk\n",
        "  iscsi-ls -s iscsi://127.0.0.1:3260\n",
        "  iscsi-inq iscsi://127.0.0.1:3260/iqn.2026-11.internal.mainstay:disk/0\n",
        "; `--iscsi 0.0.0.0:3260` or `--nvme 0.0.0.0:4420` lets others in",
        "/run/mainstay/control.sock",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(!text.contains('\x1b'));
    assert!(serve_banner(&served("127.0.0.1:3260", Auth::None), Paint(true)).contains("\x1b[1mLinux\x1b[0m"));
}

#[test]
fn an_open_portal_gets_a_word_of_caution_unless_it_asks_for_secrets() {
    let open = serve_banner(&served("192.0.2.5:3260", Auth::None), Paint(false));
    assert!(open.contains("Caution") && !open.contains("0.0.0.0"));
    let closed = serve_banner(&served("192.0.2.5:3260", Auth::Chap), Paint(false));
    assert!(!closed.contains("Caution"));
    assert!(closed.contains("-o update -n node.session.auth.username -v USER"));
    assert!(closed.contains("iscsi://USER%SECRET@192.0.2.5:3260/"));
    assert!(closed.contains("iscsi-ls -s 'iscsi://USER%SECRET@192.0.2.5:3260'"));
    assert!(closed.contains("-AuthenticationType ONEWAYCHAP"));
    let mutual = serve_banner(&served("192.0.2.5:3260", Auth::MutualChap), Paint(false));
    assert!(mutual.contains("password_in -v TARGET_SECRET") && mutual.contains("MUTUALCHAP"));
    assert!(mutual.contains("?target_user=TARGET_USER&target_password=TARGET_SECRET'"));
}

#[test]
fn the_hint_how_to_open_up_follows_what_was_asked() {
    let mut served = served("127.0.0.1:13260", Auth::None);
    assert!(serve_banner(&served, Paint(false)).contains("`--iscsi 0.0.0.0:13260` or `--nvme 0.0.0.0:4420` lets"));
    served.config = Some("/etc/mainstay.toml".into());
    let text = serve_banner(&served, Paint(false));
    assert!(text.contains("`bind = \"0.0.0.0:13260\"`") && !text.contains("--iscsi"));
    (served.targets[0].auth, served.subsystems[0].auth) = (Auth::Chap, Auth::Chap);
    assert!(!serve_banner(&served, Paint(false)).contains("hoever"));
}

#[test]
fn ipv6_is_quoted_for_shells() {
    let text = serve_banner(&served("[2001:db8::5]:3260", Auth::None), Paint(false));
    assert!(text.contains("-p '[2001:db8::5]:3260' --login"));
    assert!(text.contains("iscsi-inq 'iscsi://[2001:db8::5]:3260/iqn.2026-11.internal.mainstay:disk/0'"));
    assert!(text.contains("-TargetPortalAddress 2001:db8::5 "));
}

#[test]
fn ready_is_one_json_object_on_one_line() {
    let line = ready_json(&served("127.0.0.1:3260", Auth::None));
    assert!(!line.contains('\n'));
    let value: Value = serde_json::from_str(&line).unwrap();
    let volume = json!({
        "name": "disk", "kind": "file", "path": "/tmp/disk.img", "portal": "127.0.0.1:3260",
        "target": "iqn.2026-11.internal.mainstay:disk", "lun": 0, "size": 1u64 << 30, "block_size": 512,
        "read_only": false, "auth": "none", "url": "iscsi://127.0.0.1:3260/iqn.2026-11.internal.mainstay:disk/0",
        "nvme": [{
            "subsystem": "nqn.2026-11.internal.mainstay:disk", "nsid": 1, "address": "127.0.0.1", "port": 4420, "auth": "none",
        }],
    });
    assert_eq!(value["event"], "ready");
    assert_eq!(value["pid"], 7);
    assert_eq!(value["control"], "/run/mainstay/control.sock");
    assert_eq!(value["volumes"], json!([volume]));
}

#[test]
fn what_only_hosts_of_nvme_see_is_a_disk_too() {
    let mut served = served("127.0.0.1:3260", Auth::None);
    (served.targets, served.portals) = (Vec::new(), Vec::new());
    let text = serve_banner(&served, Paint(false));
    assert!(text.contains("serves 1 disk\n") && text.contains("disk, namespace 1, at 127.0.0.1:4420\n"), "{text}");
    assert!(!text.contains("iscsi"), "{text}");
    let ready: Value = serde_json::from_str(&ready_json(&served)).unwrap();
    assert_eq!((&ready["volumes"][0]["target"], &ready["volumes"][0]["nvme"][0]["nsid"]), (&Value::Null, &json!(1)));
}
