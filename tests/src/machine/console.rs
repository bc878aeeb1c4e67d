//! The office server's serial console, as its admin uses it in the machine room: a root shell on a wire. A command is sent
//! between two marks that no output can contain by chance, and its exit code comes back with the second one.
//!
//! Nothing here knows that the server is virtual: a wire to a real serial port would do.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// From power-on to a shell under emulation on a busy machine.
const SHELL_WITHIN: Duration = Duration::from_secs(600);
/// How long one read waits before the deadline is looked at again.
const READ_SLICE: Duration = Duration::from_millis(500);
/// A silent wire is asked again after this long: what was typed before the shell was there is lost.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// A terminal line holds 4,095 bytes in canonical mode (`N_TTY_BUF_SIZE`); longer input would be cut without a word.
const MAX_LINE_BYTES: usize = 3_500;
/// What a command may write; more is a mistake in the caller.
const MAX_OUTPUT_BYTES: usize = 8 << 20;

/// A shell on the wire.
pub struct Console {
    wire: UnixStream,
    /// Everything read and not yet consumed.
    heard: Vec<u8>,
    marks: u32,
}

/// What a command wrote (both outputs, in order) and its exit code.
#[derive(Debug)]
pub struct Output {
    /// Lines end with `\n`, as they were written.
    pub text: String,
    /// The shell's `$?`.
    pub status: i32,
}

impl Console {
    /// Connects, waits for the shell, and makes it quiet: no echo, no prompt, no line editing, no kernel messages.
    pub fn open(socket: &Path) -> Result<Self> {
        let wire = connect(socket).with_context(|| format!("{}: no console there", socket.display()))?;
        wire.set_read_timeout(Some(READ_SLICE))?;
        let mut console = Self { wire, heard: Vec::new(), marks: 0 };
        console.settle()?;
        Ok(console)
    }

    /// Runs a command line in the shell and returns what it wrote and how it ended.
    pub fn run(&mut self, command: &str, within: Duration) -> Result<Output> {
        let (begin, end) = self.next_marks();
        let line = format!("echo {begin}; {{ {command}\n}} </dev/null 2>&1; qy=$?; echo; echo {end}:$qy\n");
        ensure!(
            line.len() <= MAX_LINE_BYTES,
            "a console line holds {MAX_LINE_BYTES} bytes, found {}: put the text into a file on the shelf",
            line.len()
        );
        self.send(&line)?;
        self.read_until(&format!("{begin}\n"), within).with_context(|| format!("`{command}` did not begin"))?;
        let text = self.read_until(&format!("\n{end}:"), within).with_context(|| format!("`{command}` did not end"))?;
        let status = self.read_until("\n", within)?;
        let status = status.trim().parse().with_context(|| format!("exit code of `{command}`, found {status:?}"))?;
        Ok(Output { text, status })
    }

    /// Runs a command that has to succeed.
    pub fn must(&mut self, command: &str, within: Duration) -> Result<String> {
        let done = self.run(command, within)?;
        ensure!(done.status == 0, "`{command}` ended with {} on the office server:\n{}", done.status, done.text);
        Ok(done.text)
    }

    /// Types a line without waiting for anything, as at a question of a running program.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.send(&format!("{line}\n"))
    }

    /// Reads until `words` appear and returns what came before them.
    pub fn expect(&mut self, words: &str, within: Duration) -> Result<String> {
        self.read_until(words, within)
    }

    /// The words are joined by the shell, so that an echo of what was typed is never taken for the answer.
    fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.send("exec env PS1= PS2= TERM=dumb sh\n")?;
            self.send("stty -echo -onlcr; dmesg --console-off; echo console'-'ready\n")?;
            match self.read_until("console-ready\n", ASK_AGAIN_AFTER) {
                Ok(_) => break,
                Err(error) if start.elapsed() > SHELL_WITHIN => {
                    return Err(error.context("the console gave no shell"));
                }
                Err(_) => {}
            }
        }
        // Asked more than once, it answers more than once: a fresh mark shows where the old answers end.
        self.run("true", SHELL_WITHIN).map(drop)
    }

    fn next_marks(&mut self) -> (String, String) {
        self.marks += 1;
        (format!("qy-begin-{}", self.marks), format!("qy-end-{}", self.marks))
    }

    fn send(&mut self, text: &str) -> Result<()> {
        self.wire.write_all(text.as_bytes()).context("the console's wire is cut")
    }

    fn read_until(&mut self, words: &str, within: Duration) -> Result<String> {
        let start = Instant::now();
        loop {
            if let Some(at) = find(&self.heard, words.as_bytes()) {
                let before: Vec<u8> = self.heard.drain(..at + words.len()).take(at).collect();
                return Ok(String::from_utf8_lossy(&before).into_owned());
            }
            crate::interrupt::check()?;
            ensure!(self.heard.len() <= MAX_OUTPUT_BYTES, "more than {MAX_OUTPUT_BYTES} bytes before {words:?}");
            if start.elapsed() >= within {
                let tail = self.heard.len().saturating_sub(2_000);
                bail!(
                    "{words:?} did not come within {} s; last heard: {}",
                    within.as_secs(),
                    String::from_utf8_lossy(&self.heard[tail..])
                );
            }
            let mut piece = [0_u8; 4096];
            match self.wire.read(&mut piece) {
                Ok(0) => bail!("the console's wire was cut while waiting for {words:?}"),
                Ok(length) => self.heard.extend(piece[..length].iter().filter(|&&byte| byte != b'\r')),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error).context("the console cannot be read"),
            }
        }
    }
}

/// Connects through the folder's descriptor: the name of a socket holds 107 bytes, and a run's folder may lie deep.
fn connect(socket: &Path) -> Result<UnixStream> {
    let folder = File::open(socket.parent().context("a socket lies in a folder")?)?;
    let name = socket.file_name().context("a socket has a name")?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok(UnixStream::connect(short)?)
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}
