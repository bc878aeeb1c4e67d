//! The daybook of the stacked server, from outside: whoever listens hears which entries it promised to keep, and looks later
//! whether its books have them. It knows nothing of disks.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::site::{OFFICE_ADDRESS, Site};

/// Where the daybook is spoken with.
pub const PORT: u16 = 7077;
/// One on each file system.
pub const BOOKS: usize = 2;

/// How long a look may wait for an answer on the network.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a silence lasts before it is asked again whether to go on.
const SILENCE: Duration = Duration::from_millis(500);
/// A book comes in one piece; an emulated server sends the first of it within seconds.
const BOOK_WITHIN: Duration = Duration::from_secs(60);

/// Keeps the daybook writing and hears its promises, on a thread of its own.
pub struct Listener {
    heard: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Listener {
    /// Begins at once; where nobody answers it asks again.
    pub fn begin(site: &Site) -> Result<Self> {
        let (heard, stop): (Arc<AtomicU64>, Arc<AtomicBool>) = Default::default();
        let (namespace, last, enough) = (site.path(), Arc::clone(&heard), Arc::clone(&stop));
        let listen = move || {
            crate::site::enter_thread(&namespace)?;
            while !enough.load(Ordering::Relaxed) {
                // A server that is off, or in the middle of a sentence, is what this is here for.
                let _ = hear(&last, &enough);
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("daybook".into()).spawn(listen)?;
        Ok(Self { heard, stop, thread })
    }

    /// The last entry that was promised.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Stops listening and returns the last entry that was promised.
    pub fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("listening to the daybook panicked"))??;
        Ok(self.heard.load(Ordering::Relaxed))
    }
}

fn connect(silence: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((OFFICE_ADDRESS, PORT)), CONNECT_WITHIN)?;
    stream.set_read_timeout(Some(silence))?;
    Ok(stream)
}

/// One conversation, until it breaks or is enough.
fn hear(last: &AtomicU64, enough: &AtomicBool) -> Result<()> {
    let mut stream = connect(SILENCE)?;
    stream.write_all(b"write\n")?;
    let (mut words, mut line) = (BufReader::new(stream), Vec::new());
    while !enough.load(Ordering::Relaxed) {
        match words.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {
                let entry = std::str::from_utf8(&line)?.trim_end().parse().context("a promise is a number")?;
                last.store(entry, Ordering::Relaxed);
                line.clear();
            }
            // What has come of a line stays in it.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fails unless every book has every entry up to `last`.
pub fn verify(site: &Site, last: u64) -> Result<()> {
    for book in 0..BOOKS {
        let entries = read(&site.path(), book).with_context(|| format!("book {book} cannot be read"))?;
        let missing: Vec<u64> = (1..=last).filter(|entry| !entries.contains(entry)).collect();
        if let (Some(first), count) = (missing.first(), missing.len()) {
            bail!("of {last} promised entries book {book} lacks {count}, the first is {first}");
        }
    }
    Ok(())
}

/// The entries of a book.
fn read(namespace: &Path, book: usize) -> Result<BTreeSet<u64>> {
    let namespace: PathBuf = namespace.to_owned();
    let asked = std::thread::spawn(move || {
        crate::site::enter_thread(&namespace)?;
        let mut stream = connect(BOOK_WITHIN)?;
        stream.write_all(format!("read {book}\n").as_bytes())?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(entries(&String::from_utf8_lossy(&text)))
    });
    asked.join().map_err(|_| anyhow::anyhow!("reading the daybook panicked"))?
}

/// The numbers of the lines that are whole.
fn entries(text: &str) -> BTreeSet<u64> {
    let whole = |line: &str| {
        let (number, filling) = line.strip_suffix('\n')?.split_once(' ')?;
        (filling.len() == 90 && filling.bytes().all(|byte| byte == b'x')).then(|| number.parse().ok()).flatten()
    };
    text.split_inclusive('\n').filter_map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_entries() {
        let x = "x".repeat(90);
        let text = format!("\n00000001 {x}\n00000002 {x}\n00000003 xx\n\n00000004 {x}\n00000005 {x}");
        assert_eq!(entries(&text), BTreeSet::from([1, 2, 4]));
    }
}
