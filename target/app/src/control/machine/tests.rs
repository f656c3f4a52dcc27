use super::*;
use crate::control::words::{Kick, Resize, Resized, Swap, What};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

/// Does what a daemon would do; `swap`: saves, drops and restores the machine after every step.
struct Rig {
    machine: Machine,
    swap: bool,
    calls: Vec<Call>,
    out: Vec<u8>,
}

impl Rig {
    fn new(swap: bool) -> Rig {
        Rig { machine: Machine::new(), swap, calls: Vec::new(), out: Vec::new() }
    }

    fn step(&mut self) {
        if self.swap {
            let bytes = self.machine.save().encode_to_vec();
            self.machine = Machine::restore(MachineV1::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(self.machine.save().encode_to_vec(), bytes);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.machine.receive(bytes);
        self.work();
    }

    fn end(&mut self) {
        self.machine.end();
        self.work();
    }

    fn work(&mut self) {
        self.step();
        while let Some(Request { ticket, call }) = self.machine.poll_request() {
            self.step();
            let result = match &call {
                Call::Resize(resize) => {
                    Ok(json!(Resized { volume: resize.volume.clone(), size_old: 0, size: resize.size }))
                }
                Call::Kick(kick) => Err(Error::no_session(kick.session)),
                Call::Events => {
                    self.machine.subscribe();
                    Ok(json!({}))
                }
                _ => Ok(json!("fine")),
            };
            self.machine.respond(ticket, result);
            self.calls.push(call);
            self.step();
            self.drain(7);
        }
        self.drain(usize::MAX);
    }

    fn drain(&mut self, most: usize) {
        let count = self.machine.output().len().min(most);
        self.out.extend(&self.machine.output()[..count]);
        self.machine.sent(count);
        self.step();
    }

    fn lines(&self) -> Vec<Value> {
        self.out
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

fn told(input: &str) -> Vec<Value> {
    let mut rig = Rig::new(true);
    rig.receive(input.as_bytes());
    rig.end();
    assert!(rig.machine.is_closed());
    rig.lines()
}

fn codes(input: &str) -> Vec<(Value, i64)> {
    told(input).into_iter().map(|line| (line["id"].clone(), line["error"]["code"].as_i64().unwrap_or(0))).collect()
}

fn event(session: u64) -> Event {
    let peer = "192.0.2.1:4000".parse().unwrap();
    let what = What::Logout { session, initiator: "iqn.a".into(), target: None, peer, why: "logout".into() };
    Event { time_ms: 5, what }
}

#[test]
fn a_request_is_answered_by_its_id() {
    let lines = told("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"status\"}\n");
    assert_eq!(lines, [json!({"jsonrpc": "2.0", "id": 7, "result": "fine"})]);
    let lines = told(
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"method\":\"resize\",\"params\":{\"volume\":\"v\",\"size\":512}}\r\n",
    );
    assert_eq!(lines[0]["id"], "a\"b");
    assert_eq!(lines[0]["result"], json!({"volume": "v", "size_old": 0, "size": 512}));
}

#[test]
fn ids_come_back_as_they_were() {
    for id in ["0", "-3", "18446744073709551615", "null", "\"\"", "\"ä\""] {
        let lines = told(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"status\"}}\n"));
        assert_eq!(lines[0]["id"].to_string(), id);
    }
    let long = format!("\"{}\"", "x".repeat(129));
    for id in ["1.5", "1e3", "[]", "{}", "true", &long] {
        assert_eq!(
            codes(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"status\"}}\n")),
            [(Value::Null, -32600)]
        );
    }
}

#[test]
fn what_is_no_request_gets_the_code_the_standard_names() {
    assert_eq!(
        codes("{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]\n"),
        [(Value::Null, -32700)]
    );
    assert_eq!(codes("\u{1}\n"), [(Value::Null, -32700)]);
    assert_eq!(codes(&format!("{}\n", "[".repeat(5000))), [(Value::Null, -32700)]);
    assert_eq!(codes("7\n"), [(Value::Null, -32600)]);
    assert_eq!(codes("[]\n"), [(Value::Null, -32600)]);
    assert_eq!(codes("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}]\n"), [(Value::Null, -32600)]);
    assert_eq!(codes("{}\n"), [(Value::Null, -32600)]);
    assert_eq!(codes("{\"id\":1,\"method\":\"status\"}\n"), [(json!(1), -32600)]);
    assert_eq!(codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}\n"), [(json!(1), -32600)]);
    assert_eq!(codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":5}\n"), [(json!(1), -32600)]);
    assert_eq!(codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reboot\"}\n"), [(json!(1), -32601)]);
    assert_eq!(codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"kick\"}\n"), [(json!(1), -32602)]);
    assert_eq!(
        codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{\"x\":1}}\n"),
        [(json!(1), -32602)]
    );
    assert_eq!(
        codes("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"kick\",\"params\":{\"session\":9}}\n"),
        [(json!(1), 1)]
    );
}

#[test]
fn a_notification_is_done_and_never_answered() {
    let mut rig = Rig::new(true);
    rig.receive(b"{\"jsonrpc\":\"2.0\",\"method\":\"kick\",\"params\":{\"session\":9}}\n");
    rig.receive(b"{\"jsonrpc\":\"2.0\",\"method\":\"reboot\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"kick\"}\n\n  \n");
    assert_eq!(rig.calls, [Call::Kick(Kick { session: 9 })]);
    assert!(rig.out.is_empty());
}

#[test]
fn a_line_of_64_kib_is_taken_and_a_longer_one_skipped() {
    let pad = |len: usize| {
        let head = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}";
        format!("{head}{}\n", " ".repeat(len - head.len()))
    };
    assert_eq!(codes(&pad(LINE_MAX)), [(json!(1), 0)]);
    assert_eq!(codes(&format!("{}{}", pad(LINE_MAX + 1), pad(50))), [(Value::Null, -32001), (json!(1), 0)]);
    assert_eq!(codes(&format!("{}{}", pad(LINE_MAX * 5), pad(50))), [(Value::Null, -32001), (json!(1), 0)]);
    assert_eq!(codes(&"x".repeat(LINE_MAX * 3)), [(Value::Null, -32001)]);
}

#[test]
fn an_endless_line_takes_no_more_than_one_line_of_memory() {
    let mut machine = Machine::new();
    for _ in 0..1000 {
        assert!(machine.wants_input());
        machine.receive(&[b'x'; 4096]);
        assert!(machine.poll_request().is_none());
        assert!(machine.input.len() <= LINE_MAX + 4096);
    }
    assert!(machine.output().len() < 256);
}

#[test]
fn requests_wait_while_too_many_are_open() {
    let mut machine = Machine::new();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
    machine.receive(&line.repeat(OUTSTANDING_MAX + 3));
    let open: Vec<Request> = std::iter::from_fn(|| machine.poll_request()).collect();
    assert_eq!(open.len(), OUTSTANDING_MAX);
    assert!(!machine.wants_input());
    // Answered out of order, and by a machine that came through a swap.
    let mut machine = Machine::restore(machine.save()).unwrap();
    for request in open.iter().rev() {
        machine.respond(request.ticket, Ok(json!(request.ticket.0)));
    }
    machine.respond(open[0].ticket, Ok(json!("twice")));
    assert_eq!(std::iter::from_fn(|| machine.poll_request()).count(), 3);
    assert!(machine.wants_input());
    assert_eq!(machine.output().iter().filter(|byte| **byte == b'\n').count(), OUTSTANDING_MAX);
}

#[test]
fn a_peer_that_does_not_read_is_not_read() {
    let mut machine = Machine::new();
    let mut taken = 0;
    while machine.wants_input() && taken < 100_000 {
        machine.receive(b"x\nx\nx\nx\n");
        assert!(machine.poll_request().is_none());
        taken += 1;
    }
    assert!(taken < 100_000);
    assert!(machine.output().len() < OUTPUT_HIGH + 1024);
    machine.sent(machine.output().len());
    machine.poll_request();
    assert!(machine.wants_input());
}

#[test]
fn subscribers_hear_events_and_slow_ones_are_dropped_with_a_note() {
    let mut machine = Machine::new();
    machine.notify(&event(0));
    assert!(machine.output().is_empty());
    machine.subscribe();
    for session in 0..100_000 {
        machine.notify(&event(session));
    }
    assert!(!machine.is_subscribed());
    assert!(machine.output().len() < EVENTS_HIGH + 1024);
    let lines: Vec<Value> = machine
        .output()
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(lines[0]["method"], "event");
    assert_eq!(lines[0]["params"]["event"], "logout");
    assert_eq!(lines[0]["params"]["time_ms"], 5);
    assert_eq!(lines[lines.len() - 2]["params"]["session"], lines.len() as u64 - 2);
    assert_eq!(lines[lines.len() - 1]["method"], "events-ended");
    assert!(lines[lines.len() - 1]["params"]["why"].as_str().unwrap().contains("too slow"));
}

#[test]
fn the_end_waits_for_answers() {
    let mut machine = Machine::new();
    machine.receive(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}");
    assert!(machine.poll_request().is_none());
    machine.end();
    let request = machine.poll_request().unwrap();
    assert!(!machine.is_closed());
    machine.respond(request.ticket, Ok(json!({})));
    assert!(!machine.is_closed());
    machine.sent(machine.output().len());
    assert!(machine.is_closed());
}

#[test]
fn an_idle_machine_holds_no_buffer() {
    let mut rig = Rig::new(false);
    rig.receive(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n");
    assert_eq!((rig.machine.input.capacity(), rig.machine.output.capacity()), (0, 0));
}

#[test]
fn damaged_forms_are_refused() {
    let open = |ticket, id: &str| OpenV1 { ticket, id: Some(id.into()) };
    let good = MachineV1 { open: vec![open(1, "\"a\"")], tickets: 2, ..MachineV1::default() };
    assert!(Machine::restore(good.clone()).is_ok());
    assert!(Machine::restore(MachineV1 { open: vec![open(2, "1")], ..good.clone() }).is_err());
    assert!(Machine::restore(MachineV1 { open: vec![open(1, "1"), open(1, "2")], ..good.clone() }).is_err());
    assert!(Machine::restore(MachineV1 { open: vec![open(1, "[")], ..good.clone() }).is_err());
    assert!(Machine::restore(MachineV1 { subscribed: true, ended: true, ..good }).is_err());
}

/// Lines of every kind, good and bad.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        Just(Call::Status),
        Just(Call::Events),
        any::<u64>().prop_map(|session| Call::Kick(Kick { session })),
        ("[a-z]{0,9}", any::<u64>()).prop_map(|(volume, size)| Call::Resize(Resize { volume, size })),
    ]
    .prop_map(|call| json!({"jsonrpc": "2.0", "id": 1, "method": call.method(), "params": call.params()}).to_string());
    prop_oneof![
        4 => good.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => "[\\[\\]{}\":,a-z0-9 ]{0,60}".prop_map(String::into_bytes),
        1 => Just(vec![b'y'; LINE_MAX + 9]),
        1 => Just(Vec::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_and_any_swap_give_the_same_bytes(lines in prop::collection::vec(line(), 0..9),
                                               cuts in prop::collection::vec(1usize..70_000, 0..12)) {
        let stream = lines.join(&b'\n');
        let mut whole = Rig::new(false);
        whole.receive(&stream);
        whole.end();
        for swap in [false, true] {
            let mut cut = Rig::new(swap);
            let mut rest = &stream[..];
            for size in cuts.iter().map(|cut| if cut % 3 == 0 { cut % 50 + 1 } else { *cut }) {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                cut.receive(piece);
                rest = after;
            }
            cut.receive(rest);
            cut.end();
            prop_assert_eq!(&cut.calls, &whole.calls);
            prop_assert_eq!(&cut.out, &whole.out);
            prop_assert!(cut.machine.is_closed());
        }
    }

    #[test]
    fn every_call_survives(volume in ".{0,20}", size in any::<u64>()) {
        for call in [
            Call::Status,
            Call::Events,
            Call::Kick(Kick { session: size }),
            Call::Resize(Resize { volume: volume.clone(), size }),
            Call::ClearPoison(crate::control::words::ClearPoison { volume: volume.clone() }),
            Call::Snapshot,
            Call::Swap(Swap::default()),
            Call::Swap(Swap {
                binary: Some(volume.clone().into()),
                allow_downgrade: true,
                allow_same: true,
                dry_run: true,
                deadline_ms: Some(size),
            }),
        ] {
            prop_assert_eq!(Call::parse(call.method(), Some(call.params())), Ok(call));
        }
    }
}

#[test]
fn a_line_that_nobody_asks_for_is_bounded() {
    let mut machine = Machine::new();
    let mut taken = 0;
    while machine.wants_input() && taken < 1000 {
        machine.receive(&[b' '; 4096]);
        taken += 1;
    }
    assert!(machine.input.len() <= LINE_MAX + 4096);
    // Asked again, it goes on.
    assert!(machine.poll_request().is_none());
    assert!(machine.wants_input());
}
