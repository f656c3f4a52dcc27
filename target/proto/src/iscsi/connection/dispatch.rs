//! From bytes to requests: where each data segment goes, what becomes of each PDU, and the command order.

use super::input::{Body, Head, Purpose, Sink};
use super::window::{Held, Turn};
use super::{ABANDONED_MAX, Connection, Cx, Pending};
use crate::iscsi::event::{Command, Event, TaskManagement};
use crate::iscsi::login::SEGMENT_BYTES_MAX;
use crate::iscsi::pdu::{
    Bhs, CmdSn, Itt, LogoutReason, LogoutRequest, LogoutResponse, LogoutResult, NopIn, NopOut, RejectReason,
    ScsiCommand, TaskRequest, TmfResponse, Ttt, ahs_bytes, data_bytes, opcode, tmf_from_code,
};
use crate::iscsi::session::Phase;
use crate::iscsi::text::TEXT_BYTES_MAX;
use mainstay_base::sam::{Lun, Tmf};

/// Immediate task management functions that may wait for their answer at once.
const IMMEDIATE_TMF_MAX: usize = 16;

impl Connection {
    /// Take apart as much as there is.
    pub(super) fn parse(&mut self, cx: &Cx<'_>, mut bytes: &[u8]) {
        while !self.is_ended() {
            if let Some(body) = &mut self.input.body {
                if !body.take(&mut bytes) {
                    return;
                }
                if let Some(body) = self.input.body.take() {
                    self.complete(cx, body);
                }
                continue;
            }
            if self.info.phase == Phase::Deciding {
                self.input.pending.extend_from_slice(bytes);
                return;
            }
            // A login request has no additional header segments: what claims to is not waited for.
            let ahs_allowed = self.info.phase != Phase::Login;
            let Some(head) = self.input.head(&mut bytes, self.digests.header, ahs_allowed) else { return };
            self.info.traffic.received_pdus += 1;
            self.begin(cx, head);
        }
    }

    /// A header is complete.
    fn begin(&mut self, cx: &Cx<'_>, head: Head) {
        if !head.intact {
            // Nothing in it can be trusted, its lengths included.
            self.info.traffic.digest_errors += 1;
            return self.fatal("a header digest does not match", "7.7");
        }
        let len = data_bytes(&head.bhs);
        if self.info.phase == Phase::Login {
            if opcode(&head.bhs) != opcode::LOGIN_REQUEST {
                return self.not_a_login(&head.bhs);
            }
            if ahs_bytes(&head.bhs) > 0 {
                return self.fatal("a login request with additional header segments", "11.12");
            }
            if len > SEGMENT_BYTES_MAX {
                return self.fatal(&format!("a login request with {len} bytes of text"), "13.12");
            }
            let sink = Sink::Bytes { bytes: Vec::new(), keep: len };
            self.input.body = Some(Body::new(head, false, Purpose::Process, sink));
            return;
        }
        let max = self.info.negotiated.recv_data_segment_max;
        if len > max as usize {
            return self.fatal(&format!("a data segment of {len} bytes where {max} were declared"), "13.12");
        }
        let (purpose, sink) = self.place(cx, &head, len);
        if !self.is_ended() {
            self.input.body = Some(Body::new(head, self.digests.data, purpose, sink));
        }
    }

    /// Where the data segment of a PDU of the full feature phase goes, and what becomes of the PDU.
    fn place(&mut self, cx: &Cx<'_>, head: &Head, len: usize) -> (Purpose, Sink) {
        let code = opcode(&head.bhs);
        if !head.ahs.is_empty() && code != opcode::SCSI_COMMAND {
            return (Purpose::Reject(RejectReason::InvalidField), Sink::Skip);
        }
        // A discovery session is for text and logout (RFC 7143 §4.3); pings do no harm.
        if self.info.target.is_none()
            && matches!(code, opcode::SCSI_COMMAND | opcode::TASK_REQUEST | opcode::DATA_OUT | opcode::SNACK)
        {
            return (Purpose::Reject(RejectReason::ProtocolError), Sink::Skip);
        }
        match code {
            opcode::SCSI_COMMAND => self.place_command(cx, head, len),
            opcode::DATA_OUT => self.place_data_out(&head.bhs, len),
            opcode::NOP_OUT => {
                let keep = len.min(self.info.negotiated.send_data_segment_max as usize);
                (Purpose::Process, Sink::Bytes { bytes: Vec::new(), keep })
            }
            opcode::TEXT_REQUEST => {
                if self.text_bytes() + len > TEXT_BYTES_MAX {
                    self.fatal(&format!("sends a text of more than {TEXT_BYTES_MAX} bytes"), "6.1");
                }
                (Purpose::Process, Sink::Bytes { bytes: Vec::new(), keep: len })
            }
            opcode::LOGOUT_REQUEST if matches!(LogoutRequest::parse(&head.bhs).reason, LogoutReason::Other(_)) => {
                (Purpose::Reject(RejectReason::InvalidField), Sink::Skip)
            }
            opcode::TASK_REQUEST | opcode::LOGOUT_REQUEST | opcode::SNACK | opcode::LOGIN_REQUEST => {
                (Purpose::Process, Sink::Skip)
            }
            _ => (Purpose::Reject(RejectReason::CommandNotSupported), Sink::Skip),
        }
    }

    /// A PDU is complete.
    fn complete(&mut self, cx: &Cx<'_>, body: Body) {
        let intact = body.intact();
        let Body { bhs, ahs, purpose, sink, .. } = body;
        let code = opcode(&bhs);
        if !intact {
            self.info.traffic.digest_errors += 1;
            self.reject(&bhs, RejectReason::DataDigest, "a data digest does not match", "7.7");
            match code {
                opcode::DATA_OUT => self.damaged_data_out(&bhs, sink),
                opcode::SCSI_COMMAND => self.abandon(ScsiCommand::parse(&bhs).itt),
                _ => {}
            }
            return;
        }
        if code == opcode::SCSI_COMMAND && matches!(purpose, Purpose::Ignore | Purpose::Reject(_)) {
            self.abandon(ScsiCommand::parse(&bhs).itt);
        }
        match purpose {
            Purpose::Ignore => return,
            Purpose::Reject(reason) => {
                let why = format!("a PDU of opcode {code:#04x} that cannot be taken");
                return self.reject(&bhs, reason, &why, "11.17.1");
            }
            Purpose::Process | Purpose::NoRoom | Purpose::Broken(_) => {}
        }
        let data = match &sink {
            Sink::Bytes { bytes, .. } => bytes.as_slice(),
            _ => &[],
        };
        match code {
            opcode::LOGIN_REQUEST if self.info.phase == Phase::Login => self.login_request(cx, &bhs, data),
            opcode::LOGIN_REQUEST => {
                self.reject(&bhs, RejectReason::ProtocolError, "a login request in full feature phase", "6.3");
                self.end();
            }
            opcode::SCSI_COMMAND => self.scsi_command(cx, &bhs, &ahs, purpose, sink),
            opcode::DATA_OUT => self.data_out(cx, &bhs, purpose, sink),
            opcode::NOP_OUT => self.nop_out(cx, &bhs, sink),
            opcode::TASK_REQUEST => self.task_request(cx, &bhs),
            opcode::TEXT_REQUEST | opcode::LOGOUT_REQUEST => {
                let immediate = bhs[0] & 0x40 != 0;
                let cmd_sn = TaskRequest::parse(&bhs).cmd_sn;
                self.arrive(cx, cmd_sn, immediate, Held::Request { bhs, data: into_bytes(sink) });
            }
            opcode::SNACK => {
                self.reject(&bhs, RejectReason::Snack, "a SNACK at error recovery level 0", "11.16");
            }
            _ => {}
        }
    }

    /// A request that takes part in the command order has arrived.
    pub(super) fn arrive(&mut self, cx: &Cx<'_>, cmd_sn: CmdSn, immediate: bool, held: Held) {
        if immediate {
            return self.deliver(cx, held);
        }
        match self.window.turn(cmd_sn) {
            Turn::Never => {}
            Turn::Later => {
                self.window.hold(cmd_sn, held);
                if self.window.held_bytes() > TEXT_BYTES_MAX {
                    self.fatal(&format!("sends more than {TEXT_BYTES_MAX} bytes of text and pings ahead"), "4.2.2.1");
                }
            }
            Turn::Now => {
                if self.take_turn(cx, held) {
                    self.deliver_held(cx);
                }
            }
        }
    }

    /// What came early and whose turn has come.
    fn deliver_held(&mut self, cx: &Cx<'_>) {
        while let Some(next) = self.window.next() {
            if !self.take_turn(cx, next) {
                return;
            }
        }
    }

    /// What has the expected number. False: it was rejected, and its number is still expected.
    fn take_turn(&mut self, cx: &Cx<'_>, held: Held) -> bool {
        match &held {
            Held::Request { bhs, data } if opcode(bhs) == opcode::TEXT_REQUEST && !self.is_ended() => {
                self.text_request(cx, bhs, data, true)
            }
            _ => {
                self.window.advance(held.takes_slot());
                self.deliver(cx, held);
                true
            }
        }
    }

    fn deliver(&mut self, cx: &Cx<'_>, held: Held) {
        if self.is_ended() {
            return;
        }
        match held {
            Held::Command(command) => self.deliver_command(cx, command),
            Held::Plugged => {}
            Held::Request { bhs, data } => match opcode(&bhs) {
                opcode::TEXT_REQUEST => {
                    self.text_request(cx, &bhs, &data, false);
                }
                opcode::NOP_OUT => self.pong(&NopOut::parse(&bhs), &data),
                opcode::TASK_REQUEST => self.manage(cx, &TaskRequest::parse(&bhs)),
                opcode::LOGOUT_REQUEST => self.logout(&LogoutRequest::parse(&bhs)),
                _ => {}
            },
        }
    }

    fn nop_out(&mut self, cx: &Cx<'_>, bhs: &Bhs, sink: Sink) {
        let nop = NopOut::parse(bhs);
        if nop.ttt != Ttt::RESERVED && self.timers.ping.is_some_and(|(ttt, _)| ttt == nop.ttt) {
            self.timers.ping = None;
        }
        if nop.itt == Itt::RESERVED {
            if !nop.immediate {
                let why = "a NOP-Out without a tag that is not immediate";
                self.reject(bhs, RejectReason::InvalidField, why, "11.18.1");
            }
            return;
        }
        self.arrive(cx, nop.cmd_sn, nop.immediate, Held::Request { bhs: *bhs, data: into_bytes(sink) });
    }

    /// Answer a ping with its own data (RFC 7143 §11.19).
    fn pong(&mut self, nop: &NopOut, data: &[u8]) {
        let pdu = NopIn { lun: Lun::default(), itt: nop.itt, ttt: Ttt::RESERVED, counters: self.count() };
        self.output.push(self.digests, &pdu.emit(data.len()), data);
    }

    fn task_request(&mut self, cx: &Cx<'_>, bhs: &Bhs) {
        let request = TaskRequest::parse(bhs);
        if request.itt == Itt::RESERVED {
            let why = "a task management function with a reserved tag";
            return self.reject(bhs, RejectReason::InvalidField, why, "11.2.1.8");
        }
        let in_use = self.tasks.get(request.itt).is_some() || self.management.iter().any(|p| p.itt == request.itt);
        if in_use && (request.immediate || self.window.turn(request.cmd_sn) != Turn::Never) {
            return self.reject(bhs, RejectReason::TaskInProgress, "a tag that is in use", "11.2.1.8");
        }
        if request.immediate && self.management.len() >= IMMEDIATE_TMF_MAX {
            let why = "too many immediate task management functions";
            return self.reject(bhs, RejectReason::ImmediateTooMany, why, "11.17.1");
        }
        self.arrive(cx, request.cmd_sn, request.immediate, Held::Request { bhs: *bhs, data: Vec::new() });
    }

    fn manage(&mut self, cx: &Cx<'_>, request: &TaskRequest) {
        let &TaskRequest { immediate, itt, lun, referenced, .. } = request;
        self.management.push(Pending { itt, immediate });
        if !immediate {
            self.window.grow(cx.arena);
        }
        let Some(function) = tmf_from_code(request.function) else {
            return self.finish_tmf(cx, itt, TmfResponse::NotSupported);
        };
        let mut if_unknown = TmfResponse::NoSuchTask;
        if function == Tmf::AbortTask {
            if self.tasks.get(referenced).is_some_and(|task| task.lun == lun && task.is_draining()) {
                if_unknown = TmfResponse::Complete;
                self.forget(referenced);
            }
            let held = self.tasks.get(referenced).is_some_and(|task| !task.delivered);
            let in_window = self.window.expected().at_most(request.ref_cmd_sn)
                && request.ref_cmd_sn.at_most(self.window.last())
                && (request.ref_cmd_sn.before(request.cmd_sn) || held);
            // What was not received yet counts as received, and will never be executed (RFC 7143 §11.6.1 b).
            let unknown = held || self.tasks.get(referenced).is_none();
            if in_window && unknown && self.window.plug(request.ref_cmd_sn, referenced) {
                if_unknown = TmfResponse::Complete;
                if held {
                    self.forget(referenced);
                }
                self.deliver_held(cx);
            }
        }
        // What was sent before a function that ends many tasks is ended by it too, although it waits for its turn
        // (RFC 7143 §4.2.3.3).
        let of_target = matches!(function, Tmf::TargetWarmReset | Tmf::TargetColdReset);
        if of_target || matches!(function, Tmf::AbortTaskSet | Tmf::ClearTaskSet | Tmf::LogicalUnitReset) {
            let meant = |command: &Command| of_target || command.lun == lun;
            for (cmd_sn, itt) in self.window.held_commands(request.cmd_sn, meant) {
                self.window.plug(cmd_sn, itt);
                self.forget(itt);
            }
            let draining = self.tasks.iter().filter(|task| task.is_draining() && (of_target || task.lun == lun));
            let mut draining: Vec<(u64, Itt)> = draining.map(|task| (task.serial, task.itt)).collect();
            draining.sort_unstable();
            draining.into_iter().for_each(|(_, itt)| self.forget(itt));
        }
        self.events.push_back(Event::TaskManagement(TaskManagement { itt, function, lun, referenced, if_unknown }));
    }

    fn logout(&mut self, request: &LogoutRequest) {
        let result = match request.reason {
            LogoutReason::CloseSession => LogoutResult::Closed,
            LogoutReason::CloseConnection if request.cid == self.info.cid => LogoutResult::Closed,
            LogoutReason::CloseConnection => LogoutResult::NoSuchConnection,
            LogoutReason::RemoveForRecovery | LogoutReason::Other(_) => LogoutResult::RecoveryNotSupported,
        };
        let pdu = LogoutResponse {
            result,
            itt: request.itt,
            counters: self.count(),
            time_to_wait: self.info.negotiated.default_time2wait,
            time_to_retain: self.info.negotiated.default_time2retain,
        };
        self.output.push(self.digests, &pdu.emit(), &[]);
        if result == LogoutResult::Closed {
            self.events.push_back(Event::LoggedOut);
            self.end();
        }
    }

    /// Late data of this command is swallowed.
    pub(super) fn abandon(&mut self, itt: Itt) {
        if !self.abandoned.contains(&itt) {
            if self.abandoned.len() == ABANDONED_MAX {
                self.abandoned.pop_front();
            }
            self.abandoned.push_back(itt);
        }
    }
}

fn into_bytes(sink: Sink) -> Vec<u8> {
    match sink {
        Sink::Bytes { bytes, .. } => bytes,
        _ => Vec::new(),
    }
}
