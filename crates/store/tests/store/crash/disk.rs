//! A disk with a page cache in front of it, and what a crash makes of it.
//!
//! A file's data is durable once the file was synced; until then each write may be lost, kept or torn at
//! sectors, in any combination. A name is durable once its directory was synced; until then names are
//! lost or kept in order. For the store's own directories that is all: syncing one says nothing about
//! another, which is stricter than ext4 and XFS are. Below the index engine's directory, syncing any
//! directory makes all earlier changes of names durable, as those file systems do: the engine relies on
//! it.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use headwater_base::Chance;

use super::trace::Op;
use super::workload::{self, Acknowledged};

const SECTOR: usize = 512;
/// Where the index engine keeps its files.
const ENGINE: &str = "store/index";

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is there: the process was killed, the machine went on.
    Kept,
    /// None of it is there.
    Lost,
    /// Each write was kept, lost or torn.
    Mixed,
}

/// Files, names, and what is not durable of both.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    ops: usize,
    /// How many of them are other processes'.
    began: usize,
    inodes: Vec<Inode>,
    /// Names as the process sees them; `None` is a directory.
    now: Names,
    /// Names that are durable.
    durable: Names,
    /// Changes of names since, in order, each with the directory whose sync makes it durable.
    pending: Vec<(PathBuf, NameChange)>,
}

type Names = BTreeMap<PathBuf, Option<usize>>;

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, Option<usize>),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Content,
    pending: Vec<(usize, Change)>,
    /// The size as the process sees it.
    size: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

/// A file's bytes; the rest up to `size` is zeroes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    size: u64,
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(at, bytes) => {
                let end = *at as usize + bytes.len();
                if self.bytes.len() < end {
                    self.bytes.resize(end, 0);
                }
                self.bytes[*at as usize..end].copy_from_slice(bytes);
                self.size = self.size.max(end as u64);
            }
            Change::Resize(size) => {
                self.bytes.truncate(*size as usize);
                self.size = *size;
            }
        }
    }
}

impl Disk {
    /// The next thing happens.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { path, dir, truncate } => self.create(path, *dir, *truncate),
            Op::Write { path, at, bytes } => self.write(path, *at, bytes),
            Op::Resize { path, size } => self.change(path, Change::Resize(*size)),
            Op::Sync { path, began } => self.sync(path, *began),
            Op::Rename { from, to } => self.name(NameChange::Move(from.clone(), to.clone()), to),
            Op::Remove { path } => self.name(NameChange::Remove(path.clone()), path),
        }
        self.ops += 1;
    }

    /// Goes on with the ops of another recorded process.
    pub fn restart(&mut self) {
        self.began = self.ops;
    }

    fn create(&mut self, path: &Path, dir: bool, truncate: bool) {
        match self.now.get(path) {
            Some(Some(_)) if truncate => self.change(path, Change::Resize(0)),
            Some(_) => {}
            None => {
                let inode = (!dir).then(|| {
                    self.inodes.push(Inode::default());
                    self.inodes.len() - 1
                });
                self.name(NameChange::Add(path.to_path_buf(), inode), path);
            }
        }
    }

    fn write(&mut self, path: &Path, at: Option<u64>, bytes: &[u8]) {
        let end = self.inode(path).map_or(0, |inode| inode.size);
        self.change(path, Change::Write(at.unwrap_or(end), bytes.to_vec()));
    }

    fn change(&mut self, path: &Path, change: Change) {
        if let Some(Some(inode)) = self.now.get(path) {
            let inode = &mut self.inodes[*inode];
            inode.size = match &change {
                Change::Write(at, bytes) => inode.size.max(at + bytes.len() as u64),
                Change::Resize(size) => *size,
            };
            inode.pending.push((self.ops, change));
        }
    }

    fn inode(&self, path: &Path) -> Option<&Inode> {
        self.now.get(path).copied().flatten().map(|inode| &self.inodes[inode])
    }

    fn name(&mut self, change: NameChange, path: &Path) {
        apply_name(&mut self.now, &change);
        self.pending.push((path.parent().unwrap().to_path_buf(), change));
    }

    fn sync(&mut self, path: &Path, began: usize) {
        if let Some(Some(inode)) = self.now.get(path) {
            let inode = &mut self.inodes[*inode];
            let later = inode.pending.partition_point(|(at, _)| *at < self.began + began);
            for (_, change) in inode.pending.drain(..later) {
                inode.durable.apply(&change);
            }
            return;
        }
        let Some(last) = self.pending.iter().rposition(|(dir, _)| dir == path) else { return };
        let later = self.pending.split_off(last + 1);
        let (synced, not): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(dir, _)| dir == path || (path.starts_with(ENGINE) && dir.starts_with(ENGINE)));
        synced.iter().for_each(|(_, change)| apply_name(&mut self.durable, change));
        self.pending = not;
        self.pending.extend(later);
    }

    /// Builds in `image` what a crash now may leave; returns what had been acknowledged.
    pub fn crash(&self, image: &Path, fate: Fate, chance: &Chance) -> Acknowledged {
        std::fs::create_dir_all(image.join("store")).unwrap();
        let names = self.names_after(fate, chance);
        for (path, inode) in &names {
            // What lies in a directory whose own name is lost is lost with it.
            let mut above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
            if !above.all(|above| names.get(above) == Some(&None)) {
                continue;
            }
            let to = image.join(path);
            match inode {
                None => std::fs::create_dir_all(&to).unwrap(),
                Some(inode) => write(&to, &self.inodes[*inode].after(fate, chance)),
            }
        }
        workload::acknowledged(&self.acknowledgements())
    }

    fn names_after(&self, fate: Fate, chance: &Chance) -> Names {
        let mut names = self.durable.clone();
        let (engine, own): (Vec<_>, Vec<_>) =
            self.pending.iter().partition(|(dir, _)| dir.starts_with(ENGINE));
        for pending in [own, engine] {
            let kept = match fate {
                Fate::Kept => pending.len(),
                Fate::Lost => 0,
                Fate::Mixed => chance.below(pending.len() as u64 + 1) as usize,
            };
            pending[..kept].iter().for_each(|(_, change)| apply_name(&mut names, change));
        }
        names
    }

    /// What the process wrote to its file of acknowledgements, durable or not.
    fn acknowledgements(&self) -> Vec<u8> {
        let kept = |inode: &Inode| inode.after(Fate::Kept, &Chance::seeded(0)).bytes;
        self.inode(Path::new("acks")).map_or(Vec::new(), kept)
    }

    /// Panics unless this is what the real directory holds: then nothing was missed.
    pub fn assert_is(&self, dir: &Path) {
        let chance = Chance::seeded(0);
        let mut ours: HashMap<&Path, usize> = HashMap::new();
        for (path, inode) in &self.now {
            if let Some(inode) = inode {
                ours.insert(path, *inode);
            }
        }
        for path in files_of(dir) {
            let name = path.strip_prefix(dir).unwrap();
            let inode = ours.remove(name).unwrap_or_else(|| panic!("{} was not traced", path.display()));
            let mut content = self.inodes[inode].after(Fate::Kept, &chance);
            content.bytes.resize(content.size as usize, 0);
            assert!(
                content.bytes == std::fs::read(&path).unwrap(),
                "{} was not traced wholly",
                path.display()
            );
        }
        assert!(ours.is_empty(), "traced, but not there: {ours:?}");
    }
}

impl Inode {
    fn after(&self, fate: Fate, chance: &Chance) -> Content {
        let mut content = self.durable.clone();
        if fate == Fate::Lost {
            return content;
        }
        for (_, change) in &self.pending {
            match (fate, change, chance.below(3)) {
                (Fate::Mixed, _, 0) => {}
                (Fate::Mixed, Change::Write(at, bytes), 1) if bytes.len() > SECTOR => {
                    for sector in 0..bytes.len() / SECTOR {
                        if chance.below(2) == 0 {
                            let part = &bytes[sector * SECTOR..(sector + 1) * SECTOR];
                            content.apply(&Change::Write(at + (sector * SECTOR) as u64, part.to_vec()));
                        }
                    }
                }
                _ => content.apply(change),
            }
        }
        content
    }
}

fn apply_name(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Add(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Move(from, to) => {
            let moved: Vec<_> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                let below = path.strip_prefix(from).unwrap();
                let new = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
                let inode = names.remove(&path).unwrap();
                names.insert(new, inode);
            }
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
    }
}

fn write(path: &Path, content: &Content) {
    let file = std::fs::File::create(path).unwrap();
    file.write_all_at(&content.bytes, 0).unwrap();
    file.set_len(content.size).unwrap();
}

/// Every file below `dir`.
pub fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_of(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Copies a directory.
pub fn copy_dir(from: &Path, to: &Path) {
    for path in files_of(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&path, &to).unwrap();
    }
}
