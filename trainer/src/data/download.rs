//! Fetches MNIST where there is a network.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// A mirror of the original files, which their author's site no longer serves reliably.
const MIRROR: &str = "https://storage.googleapis.com/cvdf-datasets/mnist";

/// Names of the official files, and SHA-256 of what they hold unpacked, which does not depend on who packed them.
const FILES: [(&str, &str); 4] = [
    ("train-images-idx3-ubyte.gz", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte.gz", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte.gz", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte.gz", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

/// Puts the four files into `folder`, those that are not there yet, each checked.
pub(super) fn mnist(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, digest) in FILES {
        let path = folder.join(name);
        if path.exists() || path.with_extension("").exists() {
            continue;
        }
        let url = format!("{MIRROR}/{name}");
        let bytes = fetch(&url).with_context(|| {
            format!("cannot download {url}; without a network put {name} into {} by hand", folder.display())
        })?;
        let content = super::idx::gunzip(bytes.clone()).with_context(|| format!("{url} is not gzip"))?;
        let found: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(
            found == digest,
            "{url} unpacks to SHA-256 {found}, expected {digest}: the download is damaged, try again"
        );
        // Under another name first: a file that is there is taken to be whole.
        let part = path.with_extension("part");
        fs::write(&part, &bytes)
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn fetch(url: &str) -> Result<Vec<u8>> {
    Ok(ureq::get(url).call()?.body_mut().with_config().limit(64 << 20).read_to_vec()?)
}
