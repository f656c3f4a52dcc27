//! What queues of NVMe ask of the world: a controller's number, the way to each other, and computing.

use super::machine::Pump;
use super::{Connection, Hold, Parting, World};
use mainstay_base::sam::NexusId;
use mainstay_proto::auth::dhchap::{Power, Work};
use mainstay_proto::nvme::connect::Aim;
use mainstay_proto::nvme::controller::{Change, Features, Notice};
use mainstay_proto::nvme::{Connect, Reply};
use mainstay_proto::queue::{self, Candidate, Effect, Join, Queue};

impl World {
    pub(super) fn carry_out_nvme(&mut self, id: NexusId, effect: Effect) {
        match effect {
            Effect::Store(request) => self.store(id, request),
            Effect::Wake(other) => self.with_pump(other, |_, pump| pump.wake()),
            // An old write must not land behind what is written after the reconnection.
            Effect::Admin(Candidate { ref host, .. })
            | Effect::Join(Join { connect: Connect { hostnqn: ref host, .. }, .. })
                if self.lingers(host) =>
            {
                // Whoever asks again, after a swap that came to nothing, asks once.
                self.fenced.retain(|(asker, _)| *asker != id);
                self.fenced.push((id, effect));
            }
            Effect::Admin(candidate) => self.associate(id, &candidate),
            Effect::Join(join) => self.join(id, &join),
            Effect::Post { to, post } => self.with_queue(to, |queue, cx| queue.deliver(cx, id, post)),
            Effect::Compute(work) => self.ask_to_compute(id, work),
            Effect::Change(Change::Cache(volume)) => {
                if let Some(unit) = self.units.get_mut(volume.0 as usize) {
                    unit.mode_changed();
                }
            }
            Effect::Change(Change::Protection(volume)) => self.tell_others(Some(id), Notice::Volume(volume)),
            Effect::Retain(set) => self.retain(id, *set),
            Effect::Left => self.part(id, Parting::LoggedOut),
            Effect::Refused { step, why } => self.refused(id, step, why),
            Effect::Notice(notice) => self.notice(id, &notice.to_string()),
        }
    }

    fn with_queue(&mut self, id: NexusId, call: impl FnOnce(&mut Queue, &mut queue::Cx<'_>)) {
        self.with_pump(id, |_, pump| {
            if let Pump::Nvme(queue, cx) = pump {
                call(queue, cx);
            }
        });
    }

    fn associate(&mut self, id: NexusId, candidate: &Candidate) {
        if !self.knows(id) {
            return;
        }
        let subsystem = if let Aim::Subsystem(at) = candidate.aim { Some(at) } else { None };
        let verdict = match self.sessions.is_full() && subsystem.is_some() {
            true => Err(Connect::busy()),
            false => self.nvme.admit(id, subsystem, candidate.cntlid),
        };
        let admitted = verdict.map(|cntlid| (cntlid, self.nvme.retained.get(&(subsystem, cntlid)).cloned()));
        let granted = admitted.as_ref().ok().map(|&(cntlid, _)| cntlid);
        if subsystem.is_some() && granted.is_some() {
            self.sessions.controllers.insert(id);
        }
        self.with_queue(id, |queue, cx| queue.admit(cx, admitted));
        let took =
            self.connections.get(&id).and_then(|it| it.machine.queue()).is_some_and(|it| it.info().is_controller());
        if let Some(cntlid) = granted.filter(|_| !took) {
            self.nvme.ended((subsystem, cntlid), id);
            self.sessions.controllers.remove(&id);
        }
    }

    /// A queue has connected, and proved who it is where it must.
    pub(super) fn queue_settles(&mut self, id: NexusId) {
        self.logins.leave(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(info) = connection.machine.queue().map(Queue::info).filter(|info| info.is_controller()) else {
            return;
        };
        let (from, discovery) = (info.peer.ip(), info.discovery);
        connection.told = true;
        self.logged_in(id);
        if discovery {
            let crowded_out = self.discoveries.enter(id, from);
            self.crowd_out(crowded_out, "for discovery");
        } else {
            self.tell_health_to(id);
        }
    }

    /// Whether a queue of this host has ended that still has requests at a store.
    fn lingers(&self, host: &str) -> bool {
        let is_one = |queue: &Queue| queue.info().host == host && queue.lingers();
        let queue = |id: &NexusId| self.connections.get(id)?.machine.queue();
        self.lingering.iter().filter_map(queue).any(is_one)
    }

    /// A connection has ended: who waited for that asks again, if it is still there.
    pub(super) fn connect_fenced(&mut self) {
        for (id, effect) in std::mem::take(&mut self.fenced) {
            if self.knows(id) {
                self.carry_out_nvme(id, effect);
            }
        }
    }

    /// How many wait so.
    #[cfg(test)]
    pub fn fenced(&self) -> usize {
        self.fenced.len()
    }

    fn join(&mut self, id: NexusId, join: &Join) {
        if !self.knows(id) {
            return;
        }
        let mut verdict: Result<_, Reply> = Err(Connect::gone());
        let subsystem = self.nvme.site.subsystem(&join.connect.subnqn);
        if let Some(admin) = self.nvme.admin((subsystem, join.connect.cntlid)).filter(|_| subsystem.is_some()) {
            match self.sessions.has_all_queues() {
                true => verdict = Err(Connect::busy()),
                false => self.with_queue(admin, |queue, cx| verdict = queue.join(cx, join)),
            }
        }
        if verdict.is_ok() {
            self.sessions.queues.insert(id);
        }
        self.with_queue(id, |queue, cx| queue.joined(cx, verdict));
    }

    /// Tell every controller what has changed; it knows what of that is its host's business.
    pub fn tell_controllers(&mut self, notice: Notice) {
        self.tell_others(None, notice);
        self.settle();
    }

    fn tell_others(&mut self, but: Option<NexusId>, notice: Notice) {
        for admin in self.nvme.admins().into_iter().filter(|&admin| Some(admin) != but) {
            self.with_queue(admin, |queue, cx| queue.notice(cx, notice));
        }
    }

    /// Tell every host how its volumes are: one that is poisoned takes no writes, and what it held is in doubt (SMART / health
    /// information, base 2.0 figure 207: reliability degraded, read only).
    pub fn tell_health(&mut self) {
        for admin in self.nvme.admins() {
            self.tell_health_to(admin);
        }
    }

    fn tell_health_to(&mut self, admin: NexusId) {
        let queue = self.connections.get(&admin).and_then(|it| it.machine.queue());
        let Some(subsystem) = queue.and_then(|queue| queue.info().subsystem) else { return };
        let namespaces = &self.nvme.site.subsystems[subsystem].namespaces;
        let poisoned = namespaces.iter().any(|it| self.volumes[it.volume.0 as usize].poisoned().is_some());
        let warnings = if poisoned { 0x0c } else { 0 };
        self.with_queue(admin, |queue, cx| queue.notice(cx, Notice::Health(warnings)));
    }

    /// A controller has ended; what its host has set is kept if another takes its place.
    fn retain(&mut self, id: NexusId, set: Features) {
        let Some(info) = self.connections.get(&id).and_then(|it| it.machine.queue()).map(Queue::info) else { return };
        self.nvme.retain((info.subsystem, info.cntlid), set);
    }

    /// A queue is over.
    pub(super) fn leave_association(&mut self, id: NexusId, queue: &Queue) {
        let info = queue.info();
        if info.is_controller() {
            self.nvme.ended((info.subsystem, info.cntlid), id);
        }
        self.computations.retain(|&(asker, _)| asker != id);
    }

    /// A queue waits for no more than its last wish, so it has one place in the line.
    fn ask_to_compute(&mut self, id: NexusId, work: Work) {
        match self.computations.iter_mut().find(|(asker, _)| *asker == id) {
            Some(asked) => asked.1 = work,
            None => self.computations.push_back((id, work)),
        }
        self.to_compute.notify_one();
    }

    /// What is to be computed next, while nothing is held back.
    pub fn next_computation(&mut self) -> Option<(NexusId, Work)> {
        if self.hold == Hold::Nothing { self.computations.pop_front() } else { None }
    }

    /// A computation has ended.
    pub fn computed(&mut self, id: NexusId, power: &Power) {
        self.with_queue(id, |queue, cx| queue.computed(cx, power));
        self.settle();
    }

    /// What queues were waiting for when the last program left is asked for again.
    pub fn resume_queues(&mut self) {
        let is_queue = |(&id, connection): (&NexusId, &Connection)| connection.machine.queue().map(|_| id);
        for id in self.connections.iter().filter_map(is_queue).collect::<Vec<_>>() {
            self.with_queue(id, Queue::resume);
        }
        self.to_compute.notify_one();
    }
}
