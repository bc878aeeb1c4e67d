//! A shelf of files that machines at the site may fetch over HTTP, as an office would fetch a package from the operator's
//! download page. It serves exactly the files put on it, by name, and never looks into a directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::site::{SITE_ADDRESS, Site};

/// A request line and its headers; curl sends about 100 bytes.
const MAX_REQUEST_BYTES: u64 = 8 << 10;
/// A client that says nothing for this long is gone.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);

type Files = Arc<Mutex<BTreeMap<String, PathBuf>>>;

/// The shelf. Its thread ends with the process.
pub struct FileShelf {
    files: Files,
    port: u16,
}

impl FileShelf {
    /// Opens the shelf on the site's own address, on any free port.
    pub fn open(site: &Site) -> Result<Self> {
        let files = Files::default();
        let (shelf, namespace) = (Arc::clone(&files), site.path());
        let (ready, opened) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new().name("file-shelf".into()).spawn(move || {
            let bound = crate::site::enter_thread(&namespace)
                .and_then(|()| TcpListener::bind((SITE_ADDRESS, 0)).context("the file shelf cannot listen"))
                .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
            match bound {
                Ok((port, listener)) => {
                    let _ = ready.send(Ok(port));
                    for client in listener.incoming().flatten() {
                        let shelf = Arc::clone(&shelf);
                        std::thread::spawn(move || {
                            // A client that went away half-way asks again or reports it itself.
                            let _ = serve(client, &shelf);
                        });
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        Ok(Self { files, port: opened.recv().context("the file shelf's thread ended")?? })
    }

    /// Puts a file on the shelf and returns the URL it is fetched from.
    pub fn put(&self, name: &str, path: &Path) -> Result<String> {
        ensure!(path.is_file(), "{}: expected a file to put on the shelf, found none", path.display());
        self.files.lock().expect("no thread panics while it holds the shelf").insert(name.to_owned(), path.to_owned());
        Ok(format!("http://{SITE_ADDRESS}:{}/{name}", self.port))
    }
}

fn serve(mut client: TcpStream, files: &Files) -> Result<()> {
    client.set_read_timeout(Some(CLIENT_PATIENCE))?;
    let mut request = BufReader::new(client.try_clone()?.take(MAX_REQUEST_BYTES));
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let name = first.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let found = files.lock().expect("no thread panics while it holds the shelf").get(name).cloned();
    let Some(path) = found else {
        client.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(());
    };
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    write!(client, "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n")?;
    std::io::copy(&mut file, &mut client)?;
    Ok(())
}
