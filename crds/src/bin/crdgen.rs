//! Writes the definitions of all kinds into the folder given as its only argument. It never asks a cluster.

use anyhow::{Context, bail};
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        bail!("expected one argument: the folder to write to, as charts/qianyun/templates/crds");
    };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for file in qianyun_crds::manifest::chart_files()? {
        let path = folder.join(&file.name);
        std::fs::write(&path, file.text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
