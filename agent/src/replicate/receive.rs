//! The receiving end of a plain copy: shows the pairing code, makes room for the disks that are announced, receives.
//!
//! What it knows lies in its folder: killed and started again with the same arguments it goes on, with the same code. It
//! ends only by a signal, since the sender may follow for as long as it likes.

use super::announce::{self, AnnounceError};
use super::pairing::{Code, CodeError, NAMESPACE};
use super::places::{self, Wishes};
use super::{ReplicateError, SESSION};
use crate::args::ReplicateReceiveArgs;
use crate::host::Host;
use crate::receive::{self, Entry};
use crate::screen::Language;
use crate::tls;
use qianyun_replication_io::target::{Authorize, Target, TargetConfig};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

/// How often the folder is looked at for a new record.
const LOOK: Duration = Duration::from_millis(500);

/// Receives until a signal or a failure of the medium ends it.
pub(crate) async fn run(
    host: &dyn Host,
    args: &ReplicateReceiveArgs,
    language: Language,
    out: &mut (dyn Write + Send),
) -> Result<(), ReplicateError> {
    make_folder(&args.dir)?;
    let code = code(host, &args.dir)?;
    let identity = Arc::new(code.receiver()?);
    host.write(&format!("{}/ca.pem", args.dir), identity.ca_pem.as_bytes(), 0o644)?;
    say(out, &welcome(language, &args.listen.to_string(), &code))?;
    let file = format!("{}/volumes.json", args.dir);
    let wishes = wishes(args)?;
    if !host.exists(&file) {
        let listener = TcpListener::bind(args.listen).await.map_err(AnnounceError::Listen)?;
        // Noted before it is agreed to: the sender announces its disks only until it hears that.
        let judge =
            |announcement: &_| note(host, &file, &places::choose(&wishes, announcement)?).map_err(|e| e.to_string());
        announce::await_announcement(&listener, &identity, judge).await?;
    }
    let mut entries = receive::entries(&file, &host.read(&file)?)?;
    let noted = entries.clone();
    for entry in &mut entries {
        let name = places::check_again(entry, &wishes);
        entry.device = name.map_err(|words| ReplicateError::Place { words })?;
    }
    if entries != noted {
        // From now on it is known by its name: an earlier release noted none.
        note(host, &file, &entries)?;
    }
    let volumes = receive::volumes(entries);
    for volume in &volumes {
        say(out, &format!("{} → {}\n", volume.name, volume.path.display()))?;
    }
    let config = TargetConfig {
        session: SESSION,
        volumes,
        ledger_dir: args.dir.clone().into(),
        tls: tls::receiver(&identity)?,
        authorize: any_of_this_pair(),
        signer: identity,
    };
    let target = Target::bind(args.listen, config).await?;
    tokio::select! {
        Err(failed) = target.serve() => Err(failed.into()),
        told = tell_of_records(host, &args.dir, language, out) => told,
        _signal = super::ended() => Ok(()),
    }
}

/// Keeps where the disks go.
fn note(host: &dyn Host, file: &str, entries: &[Entry]) -> Result<(), ReplicateError> {
    Ok(host.write(file, &serde_json::to_vec_pretty(entries).map_err(AnnounceError::Words)?, 0o644)?)
}

/// Only root may look into it: the code lies there.
fn make_folder(dir: &str) -> Result<(), ReplicateError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(Path::new(dir));
    made.map_err(|source| ReplicateError::Folder { dir: dir.to_owned(), source })
}

/// The code of this folder, made the first time.
fn code(host: &dyn Host, dir: &str) -> Result<Code, ReplicateError> {
    let file = format!("{dir}/code");
    if host.exists(&file) {
        let text = host.text(&file).unwrap_or_default();
        return Code::parse(&text).map_err(|source| ReplicateError::Code { file, source });
    }
    let mut random = [0; 15];
    // Not getrandom(2): the kernels of CentOS 7 do not have it.
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
    read.map_err(ReplicateError::Random)?;
    let code = Code::new(random);
    host.write(&file, code.to_string().as_bytes(), 0o600)?;
    Ok(code)
}

fn wishes(args: &ReplicateReceiveArgs) -> Result<Wishes, ReplicateError> {
    let named = args.volume.iter().map(|text| places::parse_place(text)).collect::<Result<_, _>>();
    let named = named.map_err(|words| ReplicateError::Place { words })?;
    Ok(Wishes { dir: args.dir.clone(), named, overwrite: args.overwrite })
}

/// That the certificate comes from this pair's CA has been checked by TLS; it must be a sender's.
fn any_of_this_pair() -> Authorize {
    let prefix = format!("host:{NAMESPACE}/");
    Arc::new(move |chain| {
        let found = chain.first().and_then(|der| receive::common_name(der)).unwrap_or_default();
        if found.starts_with(&prefix) { Ok(()) } else { Err(format!("expected {prefix}…, found {found:?}")) }
    })
}

fn welcome(language: Language, listen: &str, code: &Code) -> String {
    let port = listen.rsplit(':').next().unwrap_or_default();
    match language {
        Language::Zh => format!(
            "配对码: {code}\n在要复制的机器上以 root 运行:\n  qianyun-agent replicate send --to <本机地址>:{port} --disk /dev/sda\n它会询问配对码。\n"
        ),
        Language::En => format!(
            "pairing code: {code}\non the machine whose disks are to be copied, as root:\n  qianyun-agent replicate send --to <this machine>:{port} --disk /dev/sda\nIt asks for the code.\n"
        ),
    }
}

/// Says when a record has come, and what can be done with it. Never ends well.
async fn tell_of_records(
    host: &dyn Host,
    dir: &str,
    language: Language,
    out: &mut (dyn Write + Send),
) -> Result<(), ReplicateError> {
    let file = format!("{dir}/record.json");
    let mut known = host.read(&file).ok();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let found = host.read(&file).ok();
        if found.is_some() && found != known {
            let words =
                language.pick("两端一致,已签名,记录在", "both ends hold the same and have signed it; the record is");
            say(out, &format!("{words} {file}\n  qianyun-agent verify-record {file} --ca {dir}/ca.pem\n"))?;
        } else if found.is_none() && known.is_some() {
            let words =
                language.pick("源端继续写入,先前的记录不再有效", "the sender goes on: the record before is withdrawn");
            say(out, &format!("{words}\n"))?;
        }
        known = found;
    }
}

fn say(out: &mut (dyn Write + Send), text: &str) -> Result<(), ReplicateError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ReplicateError::Screen)
}

impl From<CodeError> for ReplicateError {
    fn from(source: CodeError) -> Self {
        Self::Code { file: "--code".to_owned(), source }
    }
}
