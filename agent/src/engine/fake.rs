//! An engine without disks, for tests: it does what it is told, remembers it, and fails where it is told to.

use super::{Bounds, Engine, EngineError, Following, Frozen, RecordContext, SourceDisk};
use qianyun_agent_api::canonical::to_canonical_json;
use qianyun_agent_api::desired::ReplicateIntent;
use qianyun_agent_api::record::{CutoverRecord, Signature, SignedRecord};
use qianyun_replication_io::source::OwnLoad;
use std::sync::Mutex;
use std::time::Duration;

/// The engine of a test.
#[derive(Default)]
pub(crate) struct FakeEngine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    session: Option<u64>,
    frozen: bool,
    bounds: Bounds,
    fails: Option<&'static str>,
}

impl FakeEngine {
    /// The call of this name fails.
    pub(crate) fn fail(&self, call: &'static str) {
        self.state.lock().unwrap().fails = Some(call);
    }

    /// The bounds last set.
    pub(crate) fn bounds(&self) -> Bounds {
        self.state.lock().unwrap().bounds
    }

    /// What was called, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.state.lock().unwrap().calls.clone()
    }

    /// The watchdog's deadline, or the death of the process.
    pub(crate) fn expire(&self) {
        self.state.lock().unwrap().frozen = false;
    }

    /// The process is gone, and with it what only it knew.
    pub(crate) fn restart(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    fn call(&self, name: &'static str, change: impl FnOnce(&mut State)) -> Result<(), EngineError> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(name);
        if state.fails == Some(name) {
            return Err(EngineError(format!("{name} failed")));
        }
        change(&mut state);
        Ok(())
    }
}

impl Engine for FakeEngine {
    fn start(&self, intent: &ReplicateIntent, _: &[SourceDisk], _: Bounds) -> Result<(), EngineError> {
        self.call("start", |state| state.session = Some(intent.session))
    }

    fn limit(&self, bounds: Bounds) {
        self.state.lock().unwrap().bounds = bounds;
    }

    fn stop(&self) -> Result<(), EngineError> {
        self.call("stop", |state| state.session = None)
    }

    fn following(&self) -> Option<Following> {
        let session = self.state.lock().unwrap().session?;
        Some(Following { session, in_sync: true, disks: Vec::new(), load: OwnLoad::default() })
    }

    fn unfit(&self) -> Option<String> {
        (self.state.lock().unwrap().fails == Some("unfit")).then(|| "4096 bytes cannot be read".to_owned())
    }

    fn freeze(&self, _: Duration) -> Result<String, EngineError> {
        self.call("freeze", |state| state.frozen = true).map(|()| "not frozen: /boot/efi (vfat)".to_owned())
    }

    fn frozen(&self) -> Option<Frozen> {
        self.state.lock().unwrap().frozen.then_some(Frozen { elapsed_ms: 1_000, remaining_ms: 29_000 })
    }

    fn finalise(&self, context: &RecordContext) -> Result<SignedRecord, EngineError> {
        self.call("finalise", |_| {})?;
        let record = CutoverRecord {
            version: 1,
            host: context.host.clone(),
            scheme_digest: context.scheme_digest.clone(),
            session: context.session,
            epoch: context.epoch,
            attempt: context.attempt,
            frozen_unix_ms: context.frozen_unix_ms,
            verified_unix_ms: context.frozen_unix_ms,
            disks: Vec::new(),
        };
        let signature = Signature { signature: String::new(), certificate_pem: String::new() };
        Ok(SignedRecord { record: to_canonical_json(&record).unwrap(), source: signature.clone(), target: signature })
    }

    fn thaw(&self) -> Result<(), EngineError> {
        self.call("thaw", |state| state.frozen = false)
    }

    fn thaw_left_frozen(&self) -> Result<(), EngineError> {
        self.call("thaw left frozen", |_| {})
    }

    fn resume(&self) -> Result<(), EngineError> {
        self.call("resume", |_| {})
    }

    fn power_off(&self) -> Result<(), EngineError> {
        self.call("power off", |_| {})
    }
}
