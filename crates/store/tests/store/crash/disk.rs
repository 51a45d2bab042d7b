//! A disk with a page cache in front of it, and what a crash makes of it.
//!
//! The model is stricter than ext4 and XFS are: a file's data is durable once the file was synced, its
//! name once its directory was; until then writes may be lost, kept or torn at sectors in any
//! combination, while names are lost or kept in order.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use headwater_base::Chance;

use super::trace::Op;
use super::workload::{self, Acknowledged};

const SECTOR: usize = 512;

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
#[derive(Debug, Default)]
pub struct Disk {
    ops: usize,
    inodes: Vec<Inode>,
    /// Names as the process sees them; `None` is a directory.
    now: BTreeMap<PathBuf, Option<usize>>,
    /// Names that are durable.
    durable: BTreeMap<PathBuf, Option<usize>>,
    /// Changes of names since, in order, each with the directory whose sync makes it durable.
    pending: Vec<(PathBuf, NameChange)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, Option<usize>),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default)]
struct Inode {
    durable: Content,
    pending: Vec<(usize, Change)>,
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
            Op::Write { path, at, bytes } => self.change(path, Change::Write(at.unwrap(), bytes.clone())),
            Op::Resize { path, size } => self.change(path, Change::Resize(*size)),
            Op::Sync { path, began } => self.sync(path, *began),
            Op::Rename { from, to } => self.name(NameChange::Move(from.clone(), to.clone()), to),
            Op::Remove { path } => self.name(NameChange::Remove(path.clone()), path),
        }
        self.ops += 1;
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

    fn change(&mut self, path: &Path, change: Change) {
        if let Some(Some(inode)) = self.now.get(path) {
            self.inodes[*inode].pending.push((self.ops, change));
        }
    }

    fn name(&mut self, change: NameChange, path: &Path) {
        apply_name(&mut self.now, &change);
        self.pending.push((path.parent().unwrap().to_path_buf(), change));
    }

    fn sync(&mut self, path: &Path, began: usize) {
        if let Some(Some(inode)) = self.now.get(path) {
            let inode = &mut self.inodes[*inode];
            let later = inode.pending.partition_point(|(at, _)| *at < began);
            for (_, change) in inode.pending.drain(..later) {
                inode.durable.apply(&change);
            }
            return;
        }
        // Names are journalled in order: syncing one directory makes every earlier change durable.
        if let Some(last) = self.pending.iter().rposition(|(dir, _)| dir == path) {
            for (_, change) in self.pending.drain(..=last) {
                apply_name(&mut self.durable, &change);
            }
        }
    }

    /// Builds in `image` what a crash now may leave; returns what had been acknowledged.
    pub fn crash(&self, image: &Path, fate: Fate, chance: &Chance) -> Acknowledged {
        let mut names = self.durable.clone();
        let kept = match fate {
            Fate::Kept => self.pending.len(),
            Fate::Lost => 0,
            Fate::Mixed => chance.below(self.pending.len() as u64 + 1) as usize,
        };
        for (_, change) in &self.pending[..kept] {
            apply_name(&mut names, change);
        }
        std::fs::create_dir_all(image.join("store")).unwrap();
        let root = self.root();
        for (path, inode) in &names {
            let to = image.join(path.strip_prefix(&root).unwrap());
            match inode {
                None => std::fs::create_dir_all(&to).unwrap(),
                Some(inode) => {
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    write(&to, &self.inodes[*inode].after(fate, chance));
                }
            }
        }
        let acks = self.now.get(&root.join("acks")).copied().flatten();
        let bytes = acks.map_or(Vec::new(), |inode| self.inodes[inode].after(Fate::Kept, chance).bytes);
        workload::acknowledged(&bytes)
    }

    /// The directory everything is in.
    fn root(&self) -> PathBuf {
        let store = self.now.keys().find(|path| path.ends_with("store"));
        store.map_or(PathBuf::new(), |store| store.parent().unwrap().to_path_buf())
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
            let inode =
                ours.remove(path.as_path()).unwrap_or_else(|| panic!("{} was not traced", path.display()));
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

fn apply_name(names: &mut BTreeMap<PathBuf, Option<usize>>, change: &NameChange) {
    match change {
        NameChange::Add(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Move(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
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
