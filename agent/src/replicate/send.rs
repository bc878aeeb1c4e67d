//! The sending end of a plain copy: announces its disks, copies and follows, and finishes once both ends are in sync.

use super::announce::{self, AnnounceError, Announced, Announcement};
use super::finish::{Attempt, Finished};
use super::pairing::Code;
use super::screen::{self, Screen};
use super::{ReplicateError, SESSION};
use crate::args::{ReplicateSendArgs, Then};
use crate::host::Host;
use crate::identity::{self, Identity};
use crate::logging::Log;
use crate::paths::Paths;
use crate::receive::wire_identity;
use crate::screen::Language;
use crate::tls;
use qianyun_replication::progress::ReplicationState;
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::freezer::hung_task::HungTask;
use qianyun_replication_io::source::{DiskProgress, Replication, SourceConfig, SourceDisk};
use sha2::{Digest, Sha256};
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two attempts to reach a receiver that is not there.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Attempts at the end: a doubt of the tracker, or a busy link, costs one; five in a row have a reason that stays.
const ATTEMPTS: u32 = 5;
/// Between two of them: a place that could not be read may have been tried again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(5);

/// Copies until the copy is proved, or a signal.
pub(crate) async fn run(
    host: &dyn Host,
    paths: &Paths,
    args: &ReplicateSendArgs,
    language: Language,
    log: &Log,
) -> Result<(), ReplicateError> {
    if host.exists(&paths.enrolled()) {
        // Also where it cannot be read: a broken file permits nothing.
        let known = identity::enrolled(host, paths).ok();
        let host = known.map_or_else(|| "unknown".to_owned(), |known| format!("{}/{}", known.namespace, known.host));
        return Err(ReplicateError::Enrolled { host });
    }
    // Hours of copying and the admin's own program would come before the first freeze.
    let limit = Duration::from_secs(args.freeze_seconds);
    HungTask::read()?.check(limit)?;
    let disks = args.disk.iter().map(|node| open(node)).collect::<Result<Vec<_>, _>>()?;
    let code = code(args, language)?;
    let name = host.text("/proc/sys/kernel/hostname").unwrap_or_default();
    let identity = code.sender(&name)?;
    let announcement = Announcement { disks: disks.iter().map(announced).collect() };
    announce_patiently(args, &code, &identity, &announcement, language).await?;
    let replication = Replication::start(config(paths, args, &code, &identity, &disks)?)?;
    let numbers: Vec<_> = disks.iter().map(LeafDisk::number).collect();
    let attempt = Attempt {
        host,
        identity: &identity,
        log,
        name: &name,
        disks: &numbers,
        limit,
        before_freeze: args.before_freeze.as_deref(),
        after_thaw: args.after_thaw.as_deref(),
        power_off: args.then == Then::PowerOff,
    };
    let ended = tokio::select! {
        ended = follow_and_finish(&replication, &attempt, args.follow, language) => ended,
        () = super::ended() => Err(ReplicateError::Ended),
    };
    let progress = replication.progress();
    // A copy that is complete is gone on from by nobody; any other by the same command.
    match &ended {
        Ok(_) => replication.end().await,
        Err(_) => replication.stop().await,
    }
    let finished = ended?;
    tell(host, args, language, &progress, &identity, &finished)?;
    finished.after_failed.map_or(Ok(()), |error| Err(ReplicateError::AfterThaw(error)))
}

/// A receiver that cannot be reached may not be started yet, or be on its way back: that is told, and waited for.
async fn announce_patiently(
    args: &ReplicateSendArgs,
    code: &Code,
    identity: &Identity,
    announcement: &Announcement,
    language: Language,
) -> Result<(), ReplicateError> {
    let mut told = false;
    loop {
        match announce::announce(&args.to, &code.receiver_name(), identity, announcement).await {
            Ok(()) => return Ok(()),
            Err(error @ AnnounceError::Connect { .. }) if !told => {
                let words = language.pick("等待接收端,每秒重试", "waiting for the receiver, trying every second");
                tracing::warn!(error = &error as &dyn std::error::Error, "{words}");
                told = true;
            }
            Err(AnnounceError::Connect { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = sleep(ANNOUNCE_AGAIN) => {}
            () = super::ended() => return Err(ReplicateError::Ended),
        }
    }
}

/// A disk by its node.
fn open(node: &str) -> Result<LeafDisk, ReplicateError> {
    LeafDisk::from_node(Path::new(node)).map_err(|source| {
        let listed = LeafDisk::list().map(|listed| listed.disks).unwrap_or_default();
        let known: Vec<String> = listed.iter().map(|disk| format!("/dev/{}", disk.name().replace('!', "/"))).collect();
        ReplicateError::Disk { node: node.to_owned(), known: known.join(", "), source }
    })
}

fn announced(disk: &LeafDisk) -> Announced {
    Announced { name: disk.name().to_owned(), identity: wire_identity(disk.identity()) }
}

/// From the arguments, else as typed: what stands on a command line is seen by every user of the machine.
fn code(args: &ReplicateSendArgs, language: Language) -> Result<Code, ReplicateError> {
    let typed = match &args.code_file {
        Some(file) => std::fs::read_to_string(file).map_err(ReplicateError::Screen)?,
        None => {
            let mut err = std::io::stderr();
            write!(err, "{}: ", language.pick("配对码", "pairing code")).map_err(ReplicateError::Screen)?;
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(ReplicateError::Screen)?;
            line
        }
    };
    Ok(Code::parse(&typed)?)
}

/// The folder of the map of changes: of this pair and these disks, so that several copies of a machine do not meet.
fn kept_in(paths: &Paths, receiver_name: &str, disks: &[LeafDisk]) -> String {
    let mut digest = Sha256::new().chain_update(receiver_name);
    for disk in disks {
        digest.update([0]);
        digest.update(disk.name());
    }
    paths.plain_copy(&hex::encode(&digest.finalize()[..8]))
}

fn config(
    paths: &Paths,
    args: &ReplicateSendArgs,
    code: &Code,
    identity: &Identity,
    disks: &[LeafDisk],
) -> Result<SourceConfig, ReplicateError> {
    let source = |disk: &LeafDisk| SourceDisk { volume: disk.name().to_owned(), disk: disk.clone() };
    Ok(SourceConfig {
        session: SESSION,
        receiver_address: args.to.clone(),
        receiver_name: code.receiver_name(),
        tls: tls::mutual(identity)?,
        disks: disks.iter().map(source).collect(),
        lanes: args.connections,
        max_bytes_per_second: args.max_mib_per_second.saturating_mul(1 << 20),
        yields: !args.full_speed,
        keep: Some(kept_in(paths, &code.receiver_name(), disks).into()),
        ring_bytes: None,
    })
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Not there yet, or asked to follow.
    Follow,
    /// Freeze and prove.
    Finish,
}

fn next(states: &[ReplicationState], follow: bool, asked: bool) -> Next {
    let in_sync = states.iter().all(|state| *state == ReplicationState::InSync);
    if in_sync && (asked || !follow) { Next::Finish } else { Next::Follow }
}

async fn follow_and_finish(
    replication: &Replication,
    attempt: &Attempt<'_>,
    follow: bool,
    language: Language,
) -> Result<Finished, ReplicateError> {
    let asked = if follow { enter_pressed() } else { watch::channel(false).1 };
    let mut screen = Screen::new(language, follow);
    // Now, while there is time to do something about it, and again at each freeze.
    screen.not_frozen(&attempt.not_frozen());
    let mut attempts = 0;
    loop {
        let progress = replication.progress();
        screen.show(&progress, &replication.own_load());
        let states: Vec<_> = progress.iter().map(|disk| disk.progress.state).collect();
        if next(&states, follow, *asked.borrow()) == Next::Follow {
            sleep(LOOK).await;
            continue;
        }
        attempts += 1;
        screen.freezing();
        screen.not_frozen(&attempt.not_frozen());
        match attempt.make(replication, attempts).await {
            Ok(finished) => return Ok(finished),
            Err(source) if attempts == ATTEMPTS => return Err(ReplicateError::NotFinished { attempts, source }),
            Err(source) => {
                screen.failed(&source);
                sleep(BETWEEN_ATTEMPTS).await;
            }
        }
    }
}

/// Becomes true when a line comes on standard input; at its end it stays as it is.
fn enter_pressed() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    // A thread of its own, which ends with the process: reading a terminal cannot be called off.
    std::thread::spawn(move || {
        if std::io::stdin().lock().read_line(&mut String::new()).is_ok_and(|read| read > 0) {
            sender.send_replace(true);
        }
    });
    receiver
}

/// Writes the record, and says how it went.
fn tell(
    host: &dyn Host,
    args: &ReplicateSendArgs,
    language: Language,
    progress: &[DiskProgress],
    identity: &Identity,
    finished: &Finished,
) -> Result<(), ReplicateError> {
    let record = serde_json::to_vec_pretty(&finished.record).map_err(AnnounceError::Words)?;
    host.write(&args.record, &record, 0o644)?;
    let ca = format!("{}.ca.pem", args.record);
    host.write(&ca, identity.ca_pem.as_bytes(), 0o644)?;
    let mut text = screen::summary(language, progress, finished);
    text.push_str(&format!("  qianyun-agent verify-record {} --ca {ca}\n", args.record));
    std::io::stdout().write_all(text.as_bytes()).map_err(ReplicateError::Screen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command, ReplicateCommand};
    use crate::host::fake::Fake;
    use ReplicationState::{CatchingUp, InSync};
    use clap::Parser as _;

    #[tokio::test]
    async fn an_enrolled_server_is_refused_also_when_it_cannot_be_read_as_what() {
        let line = ["qianyun-agent", "replicate", "send", "--to", "192.0.2.1:7443", "--disk", "/dev/null"];
        let Command::Replicate(ReplicateCommand::Send(args)) = Args::parse_from(line).command else {
            panic!("another command");
        };
        let paths = Paths::default();
        for content in ["not what enrolment wrote", "{}"] {
            let host = Fake::default().file(&paths.enrolled(), content);
            let refused = run(&host, &paths, &args, Language::En, &Log::default()).await;
            assert!(matches!(refused, Err(ReplicateError::Enrolled { .. })), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_freeze_that_is_too_long_is_refused_before_anything_is_copied() {
        let line = ["qianyun-agent", "replicate", "send", "--to", "192.0.2.1:7443", "--disk", "/dev/null"];
        let line = line.into_iter().chain(["--freeze-seconds", "61"]);
        let Command::Replicate(ReplicateCommand::Send(args)) = Args::parse_from(line).command else {
            panic!("another command");
        };
        let refused = run(&Fake::default(), &Paths::default(), &args, Language::En, &Log::default()).await;
        assert!(matches!(refused, Err(ReplicateError::Freeze(_))), "{refused:?}");
    }

    #[test]
    fn it_finishes_when_every_disk_is_in_sync_and_a_follower_only_when_asked() {
        assert_eq!(next(&[InSync, CatchingUp], false, true), Next::Follow);
        assert_eq!(next(&[InSync, InSync], false, false), Next::Finish);
        assert_eq!(next(&[InSync], true, false), Next::Follow);
        assert_eq!(next(&[InSync], true, true), Next::Finish);
    }
}
