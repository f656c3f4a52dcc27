//! How a queue gets its controller: the Connect command (base §6.3), on an admin queue and on an I/O queue.

use super::slots::Doing;
use super::{Admin, Cx, Effect, Info, Post, Queue, Role, State};
use crate::auth::dhchap::Responder;
use crate::nvme::{Admission, Aim, Birth, Connect, Controller, Features, Nqn, Reply, View};
use mainstay_base::sam::NexusId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// SQHD in the response to Connect: we do without submission queue flow control (base §6.3).
const NO_FLOW_CONTROL: u16 = 0xffff;
/// Connects of one connection that may fail.
const REFUSED_MAX: u32 = 8;
/// AUTHREQ in the result of Connect: in-band authentication comes next (base §6.3, ATR).
const AUTHENTICATE: u64 = 1 << 17;

/// A host that may have a controller; answered by [`Queue::admit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Of what.
    pub aim: Aim,
    /// This one and no other (static controller model).
    pub cntlid: Option<u16>,
    /// HOSTNQN.
    pub host: Nqn,
    /// HOSTID.
    pub hostid: [u8; 16],
}

/// An I/O queue that looks for its controller; answered by [`Queue::join`] of that, and [`Queue::joined`] of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The I/O queue.
    pub from: NexusId,
    /// Index of its portal in the site.
    pub portal: usize,
    /// What it says.
    pub connect: Connect,
}

/// An I/O queue has found its controller.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The admin queue of it.
    pub admin: NexusId,
    /// QID.
    pub qid: u16,
    /// What is to be known of it.
    pub view: Arc<View>,
}

impl Queue {
    /// The data of a Connect command is there.
    pub(super) fn connect(&mut self, cx: &mut Cx<'_>, index: u16, data: &[u8]) {
        let Some(slot) = self.slots.at(index) else { return };
        let connect = match Connect::parse(&slot.entry, data) {
            Ok(connect) => connect,
            Err(reply) => return self.refuse(cx, index, reply),
        };
        self.info.host.clone_from(&connect.hostnqn);
        self.info.subnqn.clone_from(&connect.subnqn);
        self.info.hostid = connect.hostid;
        let wish = self.wish(cx, &connect);
        match wish {
            Ok(effect) => {
                self.info.state = State::Deciding;
                self.becomes(index, Doing::Deciding(Box::new(connect)));
                cx.effects.push(effect);
            }
            Err(reply) => self.refuse(cx, index, reply),
        }
    }

    /// What has to happen outside before Connect can be answered.
    fn wish(&self, cx: &Cx<'_>, connect: &Connect) -> Result<Effect, Reply> {
        if connect.qid != 0 {
            return Ok(Effect::Join(Join { from: self.id, portal: self.info.portal, connect: connect.clone() }));
        }
        let Admission { aim, cntlid, .. } = connect.admit(cx.site, self.info.portal)?;
        let (host, hostid) = (connect.hostnqn.clone(), connect.hostid);
        Ok(Effect::Admin(Candidate { aim, cntlid, host, hostid }))
    }

    /// After a swap: what was asked for outside, and may have got lost, is asked for again. Answers that come twice do no harm.
    pub fn resume(&mut self, cx: &mut Cx<'_>) {
        if let Some((index, connect)) = self.deciding() {
            match self.wish(cx, &connect) {
                Ok(effect) => cx.effects.push(effect),
                Err(reply) => self.refuse(cx, index, reply),
            }
        }
        if let Some(work) = self.auth.as_ref().and_then(|auth| auth.work()) {
            cx.effects.push(Effect::Compute(work));
        }
        self.settle(cx);
    }

    fn deciding(&self) -> Option<(u16, Connect)> {
        self.slots.iter().find_map(|(index, slot)| match &slot.doing {
            Doing::Deciding(connect) => Some((index, Connect::clone(connect))),
            _ => None,
        })
    }

    /// The verdict on a candidate: the number of its controller, and what was set in an earlier life of that (see
    /// [`Effect::Retain`]).
    pub fn admit(&mut self, cx: &mut Cx<'_>, verdict: Result<(u16, Option<Features>), Reply>) {
        let Some((index, connect)) = self.deciding().filter(|(_, connect)| connect.qid == 0) else { return };
        // The site may have changed since it was asked.
        let admitted = verdict.and_then(|seat| Ok((seat, connect.admit(cx.site, self.info.portal)?)));
        match admitted {
            Ok(((cntlid, retained), Admission { aim, keys, .. })) => {
                let Info { portal, local, .. } = self.info;
                let birth = Birth { cntlid, aim, portal, local, retained };
                let controller = Controller::new(birth, &connect, &super::admin::cx(cx));
                self.role = Role::Admin(Box::new(Admin { controller, queues: BTreeMap::new() }));
                self.info.discovery = aim == Aim::Discovery;
                self.info.subsystem = if let Aim::Subsystem(subsystem) = aim { Some(subsystem) } else { None };
                self.info.cntlid = cntlid;
                self.connected(cx, index, &connect, keys.is_some());
                self.after_controller(cx);
            }
            Err(reply) => self.refuse(cx, index, reply),
        }
        self.settle(cx);
    }

    /// An I/O queue wants to belong to the controller of this admin queue.
    ///
    /// # Errors
    /// What to answer to its Connect.
    pub fn join(&mut self, cx: &mut Cx<'_>, join: &Join) -> Result<Joined, Reply> {
        let Role::Admin(admin) = &mut self.role else { return Err(Connect::gone()) };
        if self.info.state != State::Ready || self.ending {
            return Err(Connect::gone());
        }
        let view = admin.controller.join(&super::admin::cx(cx), &join.connect, join.portal)?;
        admin.queues.insert(join.connect.qid, join.from);
        admin.controller.heard();
        Ok(Joined { admin: self.id, qid: join.connect.qid, view })
    }

    /// The verdict on an I/O queue. One that is gone meanwhile leaves at once.
    pub fn joined(&mut self, cx: &mut Cx<'_>, verdict: Result<Joined, Reply>) {
        let waits = self.deciding().filter(|(_, connect)| connect.qid != 0);
        let Some((index, connect)) = waits else {
            // Its connection ended first. A verdict that comes twice is of the controller we have.
            if let Ok(Joined { admin, qid, .. }) = verdict
                && self.info.admin.is_none()
            {
                cx.effects.push(Effect::Post { to: admin, post: Post::Left { qid } });
            }
            return;
        };
        match verdict {
            Ok(Joined { admin, view, .. }) => {
                self.info.admin = Some(admin);
                self.info.cntlid = view.cntlid;
                self.info.subsystem = Some(view.subsystem);
                let keys = cx.site.subsystems.get(view.subsystem).and_then(|s| s.keys_of(&connect.hostnqn));
                let keyed = keys.is_some();
                self.role = Role::Io { view, admin, heard: cx.now };
                self.connected(cx, index, &connect, keyed);
            }
            Err(reply) => self.refuse(cx, index, reply),
        }
        self.settle(cx);
    }

    /// Connect succeeds.
    fn connected(&mut self, cx: &mut Cx<'_>, index: u16, connect: &Connect, keyed: bool) {
        self.info.qid = connect.qid;
        self.info.sqsize = connect.sqsize;
        self.info.flow_control = !connect.without_flow_control();
        self.head %= connect.sqsize.saturating_add(1);
        self.connection.set_commands_max(connect.sqsize.saturating_add(1));
        self.connection.set_success_flag(!self.info.flow_control);
        if connect.qid != 0 {
            self.connection.set_in_capsule(cx.site.limits.in_capsule);
        }
        let seed = self.seed.take();
        if let Some(seed) = seed.filter(|_| keyed) {
            self.auth = Some(Box::new(Responder::new(*seed)));
        }
        let mut result = u64::from(self.info.cntlid);
        if keyed {
            self.info.state = State::Authenticating;
            self.due = Some(cx.now + cx.site.limits.connect_timeout);
            result |= AUTHENTICATE;
        } else {
            self.info.state = State::Ready;
            self.due = None;
        }
        let head = if self.info.flow_control { self.sqhd() } else { NO_FLOW_CONTROL };
        self.finish_with(cx, index, Reply::with(result), head);
    }

    /// Connect fails; the host may try again while there is time, but not fill the log.
    fn refuse(&mut self, cx: &mut Cx<'_>, index: u16, reply: Reply) {
        let why = Connect::why(&reply);
        cx.effects.push(Effect::Refused { step: "Connect".to_owned(), why });
        self.info.state = State::Connecting;
        self.finish(cx, index, reply);
        self.refused = self.refused.saturating_add(1);
        if self.refused >= REFUSED_MAX {
            self.connection.close();
        }
    }
}
