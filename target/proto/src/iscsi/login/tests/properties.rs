//! Any cut, any order, any bytes.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::iscsi::keys::TABLE;

const KEYS: [&str; 16] = [
    "HeaderDigest=CRC32C,None",
    "DataDigest=None,CRC32C",
    "InitialR2T=No",
    "ImmediateData=No",
    "MaxBurstLength=16384",
    "FirstBurstLength=65536",
    "DefaultTime2Wait=5",
    "DefaultTime2Retain=30",
    "MaxOutstandingR2T=4",
    "ErrorRecoveryLevel=1",
    "IFMarker=Yes",
    "MaxConnections=3",
    "MaxRecvDataSegmentLength=0x10000",
    "DataPDUInOrder=No",
    "TaskReporting=FastAbort,RFC3720",
    "Unheard=Of",
];

fn join(keys: &[&str]) -> String {
    keys.iter().flat_map(|key| [key, "|"]).collect()
}

/// Sends `text` in requests with C set, cut at `cuts`, the rest with T.
fn send_cut(bench: &mut Bench, text: &str, cuts: &[Index]) -> String {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
    cuts.sort_unstable();
    let mut from = 0;
    for cut in cuts {
        assert_eq!(bench.send_part(OPERATIONAL, &text[from..cut]), "");
        from = cut;
    }
    bench.send(OPERATIONAL, Some(FULL), &text[from..])
}

proptest! {
    #[test]
    fn any_cut(cuts in prop::collection::vec(any::<Index>(), 0..6)) {
        let text = format!("{}{}", names(OPEN), join(&KEYS));
        let whole = both(|bench| (send_cut(bench, &text, &[]), bench.verdict(Ok(3))));
        let cut = both(|bench| (send_cut(bench, &text, &cuts), bench.verdict(Ok(3))));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn any_order(keys in Just(KEYS.to_vec()).prop_shuffle(), split in any::<Index>()) {
        let negotiate = |keys: Vec<&str>, split: usize| both(|bench| {
            bench.send(OPERATIONAL, None, &names(OPEN));
            bench.send(OPERATIONAL, None, &join(&keys[..split]));
            bench.send(OPERATIONAL, Some(FULL), &join(&keys[split..]));
            let Outcome::Established(established) = bench.verdict(Ok(3)).outcome else { panic!() };
            // In full feature phase only the values count; FirstBurstLength depends on what was known when it came.
            let mut answers: Vec<_> = bench.heard.split('\0').filter(|a| !a.starts_with("First")).map(str::to_owned).collect();
            answers.sort();
            (established.negotiated, answers)
        });
        prop_assert_eq!(negotiate(keys.clone(), split.index(keys.len())), negotiate(KEYS.to_vec(), 0));
    }

    #[test]
    fn any_requests(
        requests in prop::collection::vec((any::<[u8; 4]>(), 0u8..3, prop::collection::vec(any::<u8>(), 0..80)), 1..8)
    ) {
        both(|bench| {
            let mut outputs = Vec::new();
            for ([flags, version, tsih, cid], header, data) in &requests {
                let mut bhs = [0; 48];
                (bhs[1], bhs[3], bhs[15], bhs[21]) = (*flags, version & 1 & header, tsih & 1 & header, cid & 1 & header);
                let request = LoginRequest::parse(&bhs);
                outputs.push(show(&bench.request(request, data)));
            }
            outputs.push(bench.admit(Ok(1)));
            outputs
        });
    }

    #[test]
    fn any_keys(
        requests in prop::collection::vec(
            (0u8..4, prop::option::of(0u8..4), any::<bool>(), prop::collection::vec((any::<Index>(), any::<Index>(), "[ -{}~]{0,9}"), 0..5)),
            1..8,
        )
    ) {
        const VALUES: [&str; 20] = [
            "Yes", "No", "0", "1", "512", "65536", "4294967296", "0x", "0xffffff", "None", "CRC32C", "CHAP", "CHAP,None",
            "5", "0x00", "Reject", "NotUnderstood", "Irrelevant", "Discovery", ",",
        ];
        both(|bench| {
            let mut outputs = vec![bench.send(SECURITY, None, &names(MUTUAL))];
            for (stage, next, more, keys) in &requests {
                let text: String = keys.iter().map(|(key, value, own)| {
                    let value = if own.len() % 3 == 0 { own } else { *value.get(&VALUES) };
                    format!("{}={value}|", TABLE[key.index(TABLE.len())].name)
                }).collect();
                outputs.push(if *more { bench.send_part(*stage, &text) } else { bench.send(stage & 1, *next, &text) });
                assert!(!outputs.iter().any(|said| said.contains("candidate")), "{outputs:?}");
            }
            outputs.push(bench.admit(Ok(1)));
            outputs
        });
    }

    #[test]
    fn any_saved_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(saved) = LoginV1::decode(&*bytes) {
            let _ = Login::restore(&saved);
        }
        if let Ok(saved) = EstablishedV1::decode(&*bytes) {
            let _ = Established::restore(&saved);
        }
    }
}
