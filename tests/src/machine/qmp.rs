//! The machine's own monitor, for what no real server can do and only tests need: to stand still, to be kept as it is, and to
//! go on from there. It never changes what the machine is made of. Protocol: QEMU's `docs/interop/qmp-spec`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::wait::{self, Look};

/// QEMU answers at once; on a busy machine within seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// One GiB of memory, most of it zeros, takes 5 s.
const KEPT_WITHIN: Duration = Duration::from_secs(180);

/// A connection to the monitor.
pub(super) struct Monitor {
    input: UnixStream,
    output: BufReader<UnixStream>,
}

impl Monitor {
    pub(super) fn open(socket: &Path) -> Result<Self> {
        let input = UnixStream::connect(socket).with_context(|| format!("{}: no monitor there", socket.display()))?;
        input.set_read_timeout(Some(ANSWER_WITHIN))?;
        let output = BufReader::new(input.try_clone()?);
        let mut monitor = Self { input, output };
        monitor.hear()?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Stands still until [`Monitor::go_on`].
    pub(super) fn stand_still(&mut self) -> Result<()> {
        self.ask("stop", &json!({})).map(drop)
    }

    /// Whether its processor runs.
    pub(super) fn is_running(&mut self) -> Result<bool> {
        Ok(self.ask("query-status", &json!({}))?["running"] == true)
    }

    pub(super) fn go_on(&mut self) -> Result<()> {
        self.ask("cont", &json!({})).map(drop)
    }

    /// Writes the memory and the devices of a machine that stands still to `file`; the disk is a file of its own.
    pub(super) fn keep(&mut self, file: &Path) -> Result<()> {
        let socket = file.with_extension("socket");
        // What an earlier run left when it was killed.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).with_context(|| format!("{}: cannot listen", socket.display()))?;
        let mut kept = std::fs::File::create(file).with_context(|| format!("{}: cannot be written", file.display()))?;
        let writer = std::thread::spawn(move || {
            let (mut memory, _) = listener.accept()?;
            std::io::copy(&mut memory, &mut kept)
        });
        // No bound on the speed: nothing else runs meanwhile.
        self.ask("migrate-set-parameters", &json!({"max-bandwidth": 0}))?;
        self.ask("migrate", &json!({"uri": format!("unix:{}", socket.display())}))?;
        wait::until("the machine's memory is kept", KEPT_WITHIN, || {
            let found = self.ask("query-migrate", &json!({}))?;
            match found["status"].as_str() {
                Some("completed") => Ok(Look::Holds(())),
                Some("failed" | "cancelled") => bail!("it cannot be kept: {found}"),
                _ => Ok(Look::NotYet(found.to_string())),
            }
        })?;
        writer.join().map_err(|_| anyhow::anyhow!("writing the memory panicked"))??;
        std::fs::remove_file(&socket).context("the socket cannot be removed")
    }

    /// Waits until the machine is what it was when it was kept, and lets it go on.
    pub(super) fn go_on_as_kept(&mut self) -> Result<()> {
        wait::until("the machine's memory is back", KEPT_WITHIN, || {
            let found = self.ask("query-status", &json!({}))?;
            let back = found["status"] != "inmigrate";
            Ok(if back { Look::Holds(()) } else { Look::NotYet(found.to_string()) })
        })?;
        self.go_on()
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({"execute": command, "arguments": arguments});
        writeln!(self.input, "{request}").with_context(|| format!("asking for {command}"))?;
        loop {
            let answer = self.hear()?;
            if let Some(error) = answer.get("error") {
                bail!("{command}: {error}");
            }
            // Everything else is an event.
            if let Some(found) = answer.get("return") {
                return Ok(found.clone());
            }
        }
    }

    fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("the machine's monitor says nothing")?;
        serde_json::from_str(&line).with_context(|| format!("the machine's monitor said {line:?}"))
    }
}
