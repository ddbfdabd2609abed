//! The recorded figures of other runtimes, `peers.txt`.

/// What another runtime needs for some work on a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The work.
    pub name: String,
    /// The core.
    pub core: String,
    /// Instructions.
    pub instructions: u64,
    /// Estimated cycles.
    pub cycles: Option<u64>,
    /// Bytes of arena.
    pub ram: Option<u64>,
}

/// All of them.
///
/// # Panics
/// The file has a line of another form.
#[must_use]
pub fn peers() -> Vec<Peer> {
    let text = include_str!("../peers.txt");
    let line = |line: &str| {
        let (name, rest) = line.split_at(26);
        let mut columns = rest.split_whitespace();
        let core = columns.next().unwrap().to_owned();
        let mut number = || columns.next().unwrap().parse().ok();
        let name = name.trim().to_owned();
        Peer { name, core, instructions: number().unwrap(), cycles: number(), ram: number() }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

/// A table whose lines start with the work, 26 characters wide, and the core, with the peers' instructions and RAM at their ends.
#[must_use]
pub fn beside_peers(table: &str) -> String {
    let peers = peers();
    let line = |line: &str| {
        let (name, rest) = line.split_at(26.min(line.len()));
        let core = rest.split_whitespace().next().unwrap_or("");
        let peer = peers.iter().find(|peer| peer.name == name.trim() && peer.core == core);
        let ram = |peer: &Peer| peer.ram.map_or(String::new(), |ram| format!(", {ram} bytes of RAM"));
        let note = peer.map(|peer| format!("  (TFLM + CMSIS-NN: {}{})", peer.instructions, ram(peer)));
        format!("{line}{}\n", note.unwrap_or_default())
    };
    table.lines().map(line).collect()
}
