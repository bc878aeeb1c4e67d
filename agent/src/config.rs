//! `/etc/qianyun/agent.toml`: the admin's own limits. What it forbids, the controller cannot do.
//!
//! A file that cannot be understood forbids everything but inventory: a slip of the pen never widens a permission.

mod calendar;

use crate::hooks::{HookError, Hooks};
use crate::host::{Host, HostError};
use calendar::Slot;
use jiff::civil::{DateTime, Time};
use qianyun_agent_api::desired::{Intent, ReplicateIntent};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// The file, with defaults that forbid nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Upper bounds.
    limits: Limits,
    /// What may be done at all.
    allow: Allow,
    /// When it may be done.
    hours: Hours,
    /// Other upper bounds at some hours.
    calendar: Vec<Slot>,
    /// Programs that an attempt may run.
    hooks: Hooks,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    /// Reading and sending, bytes per second; 0 is unbounded.
    max_bytes_per_second: u64,
    /// Whether a copy holds itself back where a disk gets slow for its users.
    yield_to_users: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes_per_second: 0, yield_to_users: true }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Allow {
    intents: Vec<Permission>,
    receivers: Vec<Network>,
}

impl Default for Allow {
    fn default() -> Self {
        Self { intents: vec![Permission::Replicate, Permission::Cutover], receivers: Vec::new() }
    }
}

/// What goes beyond looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Permission {
    /// Boot preparation, copying, following.
    Replicate,
    /// Stopping services, freezing, powering off.
    Cutover,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Hours {
    replicate: Option<Span>,
    cutover: Option<Span>,
}

/// An address with a prefix length; a bare address is that address alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("expected an address or a network as 10.1.0.0/16, found {text:?}");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| bad())?)),
            None => (text.as_str(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest { Err(bad()) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 4),
            IpAddr::V6(v6) => (v6.to_bits(), 6),
        };
        let ((ours, our_kind), (theirs, their_kind)) = (bits(self.address), bits(address));
        // A shift by the whole width would overflow: a prefix of 0 holds everything of its kind.
        our_kind == their_kind && (self.prefix == 0 || (ours ^ theirs) >> (128 - u32::from(self.prefix)) == 0)
    }
}

/// From one time of day to another, which may lie past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Span {
    from: Time,
    to: Time,
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("expected two times of day as 22:00-06:00, found {text:?}");
        let (from, to) = text.split_once('-').ok_or_else(bad)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| bad());
        Ok(Self { from: time(from)?, to: time(to)? })
    }
}

impl Span {
    fn holds(self, now: Time) -> bool {
        if self.from <= self.to { self.from <= now && now < self.to } else { self.from <= now || now < self.to }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

/// Why the file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It cannot be understood: line, column, what was expected and found.
    #[error("{path}: {detail}")]
    Text { path: String, detail: String },
    /// It lists a hook that is none, or that others than root decide on. Shown as one sentence, so the cause is part of it.
    #[error("{path}: {source}")]
    Hook { path: String, source: Box<HookError> },
}

/// The admin's file, or that it forbids all because it cannot be understood.
pub(crate) fn load(host: &dyn Host, path: &str) -> Result<Config, ConfigError> {
    if !host.exists(path) {
        return Ok(Config::default());
    }
    let fail = |detail: String| ConfigError::Text { path: path.to_owned(), detail };
    let text = String::from_utf8(host.read(path)?).map_err(|_| fail("expected UTF-8 text".into()))?;
    let config: Config = toml::from_str(&text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
    config.hooks.check(host).map_err(|source| ConfigError::Hook { path: path.to_owned(), source: Box::new(source) })?;
    Ok(config)
}

impl Config {
    /// `Err` with the reason, in words, if the admin's file forbids `intent` at this time of day.
    pub(crate) fn permits(&self, intent: &Intent, now: Time) -> Result<(), String> {
        match intent {
            // An attempt that was begun must be ended, whatever the file says by then.
            Intent::Idle {} | Intent::Resume(_) | Intent::Fence(_) | Intent::Serve(_) => Ok(()),
            Intent::Replicate(replicate) => self.permits_replicate(replicate, now),
            Intent::Stop(cutover) | Intent::Cutover(cutover) => {
                self.permits_replicate(&cutover.replicate, now)?;
                if !self.allow.intents.contains(&Permission::Cutover) {
                    return Err("allow.intents does not list \"cutover\"".into());
                }
                within("cutover", self.hours.cutover, now)
            }
        }
    }

    fn permits_replicate(&self, intent: &ReplicateIntent, now: Time) -> Result<(), String> {
        if !self.allow.intents.contains(&Permission::Replicate) {
            return Err("allow.intents does not list \"replicate\"".into());
        }
        let receiver: SocketAddr = (intent.receiver_address.parse())
            .map_err(|_| format!("the receiver {:?} is not an address with a port", intent.receiver_address))?;
        if !self.allow.receivers.is_empty() && !self.allow.receivers.iter().any(|n| n.holds(receiver.ip())) {
            return Err(format!("allow.receivers does not hold {}", receiver.ip()));
        }
        within("replicate", self.hours.replicate, now)
    }

    /// The smallest of the controller's bound, the admin's and the calendar's at this time; 0 is unbounded.
    pub(crate) fn max_bytes_per_second(&self, asked: u64, now: DateTime) -> u64 {
        let bounds = [asked, self.limits.max_bytes_per_second, calendar::bound(&self.calendar, now)];
        bounds.into_iter().filter(|bound| *bound > 0).min().unwrap_or(0)
    }

    /// Programs that an attempt may run.
    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Whether a copy holds itself back where a disk gets slow for its users.
    pub(crate) fn yields_to_users(&self) -> bool {
        self.limits.yield_to_users
    }
}

fn within(what: &str, span: Option<Span>, now: Time) -> Result<(), String> {
    match span {
        Some(span) if !span.holds(now) => {
            Err(format!("hours.{what} is {span}, and it is {} here", now.strftime("%H:%M")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
