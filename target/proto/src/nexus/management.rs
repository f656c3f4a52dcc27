//! Task management: which tasks a function ends, and when it may be answered (SAM-5 §7, RFC 7143 §11.5, §11.6).

use super::task_set::{Entry, Phase};
use super::{Cx, Effect, Nexus};
use crate::iscsi::{CloseReason, Itt, TaskManagement, TmfResponse};
use mainstay_base::sam::{NexusId, Reply, Status, Tmf};
use mainstay_base::unit::VolumeId;

/// A function that waits for what it ended to leave the stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Management {
    pub itt: Itt,
    /// Serials of own tasks that are not dry.
    pub serials: Vec<u32>,
    /// Other nexuses that are not dry.
    pub others: Vec<NexusId>,
    /// The connection ends once this is answered (TARGET COLD RESET).
    pub then_close: bool,
}

impl Nexus {
    pub(super) fn manage(&mut self, cx: &mut Cx<'_>, request: &TaskManagement) {
        let itt = request.itt;
        let Some(path) = &self.path else { return self.answer(cx, itt, TmfResponse::Rejected) };
        let target = path.target;
        let volume = cx.exports[target].volume(request.lun);
        let of_unit = matches!(
            request.function,
            Tmf::AbortTask | Tmf::AbortTaskSet | Tmf::ClearTaskSet | Tmf::LogicalUnitReset | Tmf::ClearAca
        );
        if of_unit && volume.is_none() {
            return self.answer(cx, itt, TmfResponse::NoSuchUnit);
        }
        match request.function {
            Tmf::AbortTask => {
                let (referenced, lun) = (request.referenced, request.lun);
                let meant = |entry: &Entry| entry.itt == referenced && entry.lun == lun;
                if !self.tasks.iter().any(|(_, entry)| meant(entry)) {
                    return self.answer(cx, itt, request.if_unknown);
                }
                let serials = self.end_where(cx, meant);
                self.wait(cx, Management { itt, serials, others: Vec::new(), then_close: false });
            }
            // Task sets are per I_T nexus (TST = 001b), so clearing one is aborting our own.
            Tmf::AbortTaskSet | Tmf::ClearTaskSet => {
                let serials = self.end_where(cx, |entry| entry.lun == request.lun);
                self.wait(cx, Management { itt, serials, others: Vec::new(), then_close: false });
            }
            Tmf::LogicalUnitReset => self.reset(cx, itt, volume.into_iter().collect(), false),
            Tmf::TargetWarmReset => {
                let volumes = cx.exports[target].luns.iter().map(|&(_, volume)| volume).collect();
                self.reset(cx, itt, volumes, false);
            }
            Tmf::TargetColdReset => {
                let volumes = cx.exports[target].luns.iter().map(|&(_, volume)| volume).collect();
                self.reset(cx, itt, volumes, true);
                cx.effects.push(Effect::DropSessions { target });
            }
            Tmf::TaskReassign => self.answer(cx, itt, TmfResponse::ReassignmentNotSupported),
            Tmf::ClearAca | Tmf::QueryTask | Tmf::QueryTaskSet | Tmf::ITNexusReset | Tmf::QueryAsynchronousEvent => {
                self.answer(cx, itt, TmfResponse::NotSupported);
            }
        }
    }

    fn reset(&mut self, cx: &mut Cx<'_>, itt: Itt, volumes: Vec<VolumeId>, then_close: bool) {
        for volume in &volumes {
            if let Some(unit) = cx.units.get_mut(volume.0 as usize) {
                unit.reset();
            }
        }
        let serials = self.end_where(cx, |entry| entry.volume.is_some_and(|v| volumes.contains(&v)));
        // The world answers this effect with `others_busy`, before it calls anything else of this nexus.
        self.management.push(Management { itt, serials, others: vec![self.id], then_close });
        cx.effects.push(Effect::Reset { volumes, itt });
    }

    /// Who else still has aborted tasks at the stores; the answer to [`Effect::Reset`].
    pub fn others_busy(&mut self, cx: &mut Cx<'_>, itt: Itt, others: Vec<NexusId>) {
        if let Some(management) = self.management.iter_mut().find(|m| m.itt == itt) {
            management.others = others;
        }
        self.answer_dry(cx);
        self.settle(cx);
    }

    /// Another nexus is dry, or gone.
    pub fn other_dry(&mut self, cx: &mut Cx<'_>, other: NexusId) {
        if self.management.is_empty() {
            return;
        }
        for management in &mut self.management {
            management.others.retain(|&id| id != other);
        }
        self.answer_dry(cx);
        self.settle(cx);
    }

    /// As [`Nexus::abort_where`]; tasks that something else ended and that are still at a store are waited for too, so
    /// that a function that is repeated promises no less than the first.
    fn end_where(&mut self, cx: &mut Cx<'_>, condition: impl Fn(&Entry) -> bool) -> Vec<u32> {
        // Those that were to fail with a reply are now ended without one.
        let failing = |entry: &&Entry| entry.phase == Phase::Aborting && entry.verdict.is_some() && condition(entry);
        let failing: Vec<u16> = self.tasks.iter().filter(|(_, entry)| failing(entry)).map(|(index, _)| index).collect();
        for index in failing {
            let Some(entry) = self.tasks.at(index) else { continue };
            entry.verdict = None;
            self.connection.discard(entry.itt);
        }
        self.abort_where(cx, &condition);
        let leaving = |entry: &&Entry| entry.phase == Phase::Aborting && condition(entry);
        let mut serials: Vec<u32> =
            self.tasks.iter().map(|(_, entry)| entry).filter(leaving).map(|e| e.serial).collect();
        serials.sort_unstable();
        serials
    }

    /// End every task that `condition` picks, without an answer. Gives the serials of those still at a store.
    pub(super) fn abort_where(&mut self, cx: &mut Cx<'_>, condition: impl Fn(&Entry) -> bool) -> Vec<u32> {
        self.abort_all(cx, condition, None)
    }

    /// End every task that `condition` picks with TASK ABORTED (SAM-5 §5.6, TAS = 1).
    pub(super) fn abort_told(&mut self, cx: &mut Cx<'_>, condition: impl Fn(&Entry) -> bool) {
        let told = Reply { status: Status::TaskAborted, sense: Vec::new(), moved: 0 };
        self.abort_all(cx, condition, Some(&told));
    }

    fn abort_all(&mut self, cx: &mut Cx<'_>, condition: impl Fn(&Entry) -> bool, verdict: Option<&Reply>) -> Vec<u32> {
        let picked: Vec<u16> = self
            .tasks
            .iter()
            .filter(|(_, entry)| entry.phase != Phase::Aborting && condition(entry))
            .map(|(index, _)| index)
            .collect();
        let mut serials = Vec::new();
        // First all end, then their leavings are cleared: so none of them starts because another one ended.
        let dry: Vec<bool> = picked.iter().map(|&index| self.tasks.abort(index)).collect();
        for (index, dry) in picked.into_iter().zip(dry) {
            let Some(entry) = self.tasks.at(index) else { continue };
            entry.verdict = verdict.cloned();
            if verdict.is_none() {
                self.connection.discard(entry.itt);
            }
            if dry {
                self.run(cx, index);
            } else {
                serials.push(entry.serial);
            }
        }
        serials
    }

    fn wait(&mut self, cx: &mut Cx<'_>, management: Management) {
        self.management.push(management);
        self.answer_dry(cx);
    }

    /// An aborted task left the stores.
    pub(super) fn dried(&mut self, cx: &mut Cx<'_>) {
        let live: Vec<u32> =
            self.tasks.iter().filter(|(_, e)| e.phase == Phase::Aborting).map(|(_, e)| e.serial).collect();
        for management in &mut self.management {
            management.serials.retain(|serial| live.contains(serial));
        }
        if live.is_empty() {
            cx.effects.push(Effect::Dry);
        }
        self.answer_dry(cx);
    }

    fn answer_dry(&mut self, cx: &mut Cx<'_>) {
        while let Some(at) = self.management.iter().position(|m| m.serials.is_empty() && m.others.is_empty()) {
            let management = self.management.remove(at);
            self.answer(cx, management.itt, TmfResponse::Complete);
            if management.then_close {
                self.connection.close(CloseReason::TargetReset);
            }
        }
    }

    fn answer(&mut self, cx: &mut Cx<'_>, itt: Itt, response: TmfResponse) {
        self.connection.finish_tmf(&cx.iscsi(), itt, response);
    }
}
