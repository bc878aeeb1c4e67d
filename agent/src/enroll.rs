//! First contact: declare, check who answers, make a key, join, start the service.
//!
//! Until the declaration is the right sentence and the CA is the pinned one, nothing is sent and nothing is stored.

use crate::args::EnrollArgs;
use crate::gateway::{Gateway, GatewayError};
use crate::host::{Host, HostError};
use crate::identity::{self, Enrolled, IdentityError};
use crate::inventory::{self, Machine};
use crate::ledger::{Ledger, LedgerError, LedgerFile};
use crate::paths::Paths;
use crate::screen::{Exit, Language};
use crate::tls::{self, TlsError};
use qianyun_agent_api::enroll::{DECLARATION_EN, DECLARATION_ZH, Declaration, EnrollRequest, EnrollResponse};
use rcgen::KeyPair;
use std::io::{BufRead, Write};
use std::time::Duration;

/// Starting a service includes one report; systemd itself gives up after 90 s.
const START_LIMIT: Duration = Duration::from_secs(100);

/// Bounds of what a person types, characters.
const MAX_NAME: usize = 64;
const MAX_PHONE: usize = 32;

/// Why this machine did not join.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrollError {
    /// `--ca-hash` is not of the form it must have.
    #[error("expected --ca-hash as sha256:<64 hex digits>, found {found:?}")]
    BadHash { found: String },
    /// The machine has joined already.
    #[error("this machine is already enrolled as {name}; to join anew, stop qianyun-agent and remove {state} first")]
    Already { name: String, state: String },
    /// A cutover is under way, or was committed: what is known of it must not be lost.
    #[error(
        "an attempt of a cutover is on record on this machine ({name}), and removing it could put two machines in service; ask the operator"
    )]
    Armed { name: String },
    /// The sentence was not the one asked for.
    #[error(
        "the declaration is not the sentence that is asked for: only non-classified systems may join; nothing was sent or stored"
    )]
    Undeclared,
    /// A name or number is missing or too long.
    #[error("expected the declaring person's {what} with 1 to {limit} characters, found {found}")]
    BadPerson { what: &'static str, limit: usize, found: usize },
    /// Someone else answers at that address, or the hash was copied wrongly.
    #[error(
        "the gateway's CA is not the one you pinned: expected {expected}, found {found}; nothing was sent. Check --server and --ca-hash with the operator"
    )]
    WrongCa { expected: String, found: String },
    /// The terminal is gone.
    #[error("cannot read the declaration")]
    Terminal(#[source] std::io::Error),
    /// The gateway cannot be reached or said no.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The key or the certificates are unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The operating system refused.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl EnrollError {
    /// The exit code that scripts see.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::BadHash { .. } | Self::BadPerson { .. } | Self::Gateway(GatewayError::BadAddress { .. }) => {
                Exit::Usage
            }
            Self::Undeclared | Self::WrongCa { .. } | Self::Already { .. } | Self::Armed { .. } => Exit::Refused,
            Self::Gateway(GatewayError::Refused { .. }) => Exit::Refused,
            Self::Gateway(_) => Exit::Unreachable,
            Self::Terminal(_) | Self::Identity(_) | Self::Tls(_) | Self::Ledger(_) | Self::Host(_) => Exit::NotReady,
        }
    }

    /// What to do about it, where the gateway said so.
    pub(crate) fn remedy(&self) -> Option<&str> {
        match self {
            Self::Gateway(GatewayError::Refused { refusal, .. }) => Some(&refusal.remedy),
            _ => None,
        }
    }
}

/// Joins. `ask` is the person at the terminal, `say` what they see.
pub(crate) async fn run(
    host: &dyn Host,
    paths: &Paths,
    args: &EnrollArgs,
    language: Language,
    ask: &mut (dyn BufRead + Send),
    say: &mut (dyn Write + Send),
) -> Result<(), EnrollError> {
    let hash = pinned_hash(&args.ca_hash)?;
    if let Ok(before) = identity::enrolled(host, paths) {
        let name = format!("{}/{}", before.namespace, before.host);
        if LedgerFile::load(host, paths)?.ledger.armed.is_some() {
            return Err(EnrollError::Armed { name });
        }
        return Err(EnrollError::Already { name, state: paths.state.clone() });
    }
    let declaration = declare(args, language, ask, say)?;
    let gateway = pinned_gateway(&args.server, &hash).await?;
    let machine = inventory::collect(host, None);
    tell(say, &what_will_be_sent(&machine, language));
    let key = kept_key(host, paths)?;
    let request = request(args, &key, &machine, declaration)?;
    let answer = gateway.enroll(&request).await?;
    accept(host, paths, &args.server, &hash, &key, &request, &machine, &answer)?;
    tell(say, &welcome(&answer, language));
    host.ask("systemctl", &["enable", "--now", "qianyun-agent.service"], START_LIMIT)?;
    Ok(())
}

/// A terminal that does not draw must not stop an enrolment half-way.
fn tell(say: &mut dyn Write, text: &str) {
    let _ = say.write_all(text.as_bytes()).and_then(|()| say.flush());
}

fn pinned_hash(text: &str) -> Result<String, EnrollError> {
    let hash = text.trim().to_lowercase();
    let digits = hash.strip_prefix("sha256:").unwrap_or_default();
    if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(hash)
    } else {
        Err(EnrollError::BadHash { found: text.to_owned() })
    }
}

fn declare(
    args: &EnrollArgs,
    language: Language,
    ask: &mut dyn BufRead,
    say: &mut dyn Write,
) -> Result<Declaration, EnrollError> {
    let intro = match language {
        Language::Zh => {
            format!("本工具只用于非涉密系统。涉密计算机、涉密信息系统禁止安装。\n请输入: {DECLARATION_ZH}\n> ")
        }
        Language::En => format!(
            "For non-classified systems only. Never install this on classified computers or information systems.\nType: {DECLARATION_EN}\n> "
        ),
    };
    let mut answer = |given: &Option<String>, prompt: &str| match given {
        Some(given) => Ok(given.trim().to_owned()),
        None => read_line(ask, say, prompt),
    };
    let statement = answer(&args.statement, &intro)?;
    let mut declaration = Declaration { statement, name: String::new(), phone: String::new() };
    if !declaration.is_non_classified() {
        return Err(EnrollError::Undeclared);
    }
    declaration.name = answer(&args.name, language.pick("姓名: ", "Name: "))?;
    declaration.phone = answer(&args.phone, language.pick("电话: ", "Telephone: "))?;
    bounded("name", &declaration.name, MAX_NAME)?;
    bounded("telephone number", &declaration.phone, MAX_PHONE)?;
    Ok(declaration)
}

fn read_line(ask: &mut dyn BufRead, say: &mut dyn Write, prompt: &str) -> Result<String, EnrollError> {
    tell(say, prompt);
    let mut line = String::new();
    // 4 KiB is more than any honest answer; without a bound a pipe could fill the memory.
    let mut bounded = std::io::Read::take(ask, 4096);
    bounded.read_line(&mut line).map_err(EnrollError::Terminal)?;
    Ok(line.trim().to_owned())
}

fn bounded(what: &'static str, text: &str, limit: usize) -> Result<(), EnrollError> {
    let found = text.chars().count();
    if (1..=limit).contains(&found) { Ok(()) } else { Err(EnrollError::BadPerson { what, limit, found }) }
}

/// A client that trusts the gateway's CA, if that is the pinned one.
async fn pinned_gateway(server: &str, hash: &str) -> Result<Gateway, EnrollError> {
    let ca_pem = Gateway::new(server, tls::without_trust()?)?.ca().await?;
    let found = identity::public_key_hash(&ca_pem)?;
    if found != hash {
        return Err(EnrollError::WrongCa { expected: hash.to_owned(), found });
    }
    Ok(Gateway::new(server, tls::pinned(&ca_pem)?)?)
}

/// The key of an enrolment that was cut off is used again: the gateway then knows who asks a second time.
fn kept_key(host: &dyn Host, paths: &Paths) -> Result<KeyPair, EnrollError> {
    let before = host.read(&paths.key()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(key) = before.and_then(|pem| KeyPair::from_pem(&pem).ok()) {
        return Ok(key);
    }
    let (key, _) = identity::make_key()?;
    host.write(&paths.key(), key.serialize_pem().as_bytes(), 0o600)?;
    Ok(key)
}

fn request(
    args: &EnrollArgs,
    key: &KeyPair,
    machine: &Machine,
    declaration: Declaration,
) -> Result<EnrollRequest, EnrollError> {
    Ok(EnrollRequest {
        token: args.token.trim().to_owned(),
        csr_pem: identity::request(key)?,
        hostname: machine.inventory.os.hostname.clone(),
        fingerprint: machine.fingerprint.clone(),
        declaration,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

#[expect(clippy::too_many_arguments, reason = "one place ties together all that an identity is made of")]
fn accept(
    host: &dyn Host,
    paths: &Paths,
    server: &str,
    hash: &str,
    key: &KeyPair,
    request: &EnrollRequest,
    machine: &Machine,
    answer: &EnrollResponse,
) -> Result<(), EnrollError> {
    let found = identity::public_key_hash(&answer.ca_pem)?;
    if found != hash {
        return Err(EnrollError::WrongCa { expected: hash.to_owned(), found });
    }
    let mut ledger = LedgerFile::load(host, paths)?;
    ledger.store(host, Ledger { fingerprint: machine.fingerprint.clone(), ..Ledger::default() })?;
    let enrolled = Enrolled {
        server: server.to_owned(),
        namespace: answer.namespace.clone(),
        host: answer.host.clone(),
        department: answer.department.clone(),
        system: answer.system.clone(),
        declared_by: request.declaration.name.clone(),
        declared_unix_ms: host.now_unix_ms(),
    };
    Ok(identity::keep(host, paths, key, answer, &enrolled)?)
}

fn what_will_be_sent(machine: &Machine, language: Language) -> String {
    let found = &machine.inventory;
    let summary = format!(
        "{} {}, {} {}, {} CPU, {} MiB, {} disks, {} units, {} listeners",
        found.hardware.vendor,
        found.hardware.model,
        found.os.id,
        found.os.version,
        found.hardware.cpus,
        found.hardware.memory_bytes >> 20,
        found.disks.len(),
        found.units.len(),
        found.listeners.len()
    );
    match language {
        Language::Zh => format!(
            "将上报: {summary}\n  内容: 硬件、系统版本、端口与进程名、磁盘用量   不上报: 业务数据、文件内容、账号口令\n  逐项查看: qianyun-agent inventory\n"
        ),
        Language::En => format!(
            "Will be sent: {summary}\n  hardware, system version, ports and process names, disk usage; never business data, file contents, accounts, passwords\n  to see every item: qianyun-agent inventory\n"
        ),
    }
}

fn welcome(answer: &EnrollResponse, language: Language) -> String {
    let EnrollResponse { namespace, host, department, system, .. } = answer;
    match language {
        Language::Zh => format!("[通过] 已加入: {namespace}/{host}   单位: {department}   系统: {system}\n"),
        Language::En => format!("PASS joined as {namespace}/{host}   department: {department}   system: {system}\n"),
    }
}

#[cfg(test)]
mod tests;
