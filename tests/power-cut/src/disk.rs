//! The disk: files and folders as a process sees them, as they are for certain, and what a cut makes of the rest.
//!
//! A file is for certain as it was at its last fsync or fdatasync, a folder's entries as at the folder's last fsync.
//! Since then everything is a list of changes. A cut keeps none of them, all, the first ones with the last one torn, or
//! any, sector by sector; that is what disks and file systems are allowed to do. Pure, but for the random numbers given.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// The node of the root folder, as FUSE has it.
pub(crate) const ROOT: u64 = 1;

/// Files and folders in memory.
#[derive(Debug, Clone)]
pub struct Disk {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    syncs: SyncBehaviour,
    has_power: bool,
}

/// What an fsync does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncBehaviour {
    /// It keeps what was written.
    Kept,
    /// It says so and keeps nothing, as disks do that lie.
    Ignored,
}

/// What a cut took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CutLoss {
    /// Changes that were not synced when the power went: kept, torn or gone.
    pub unsynced: usize,
    /// Those of them of which something is gone.
    pub gone: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) live: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    pub(crate) live: Entries,
    synced: Entries,
    since: Vec<Entry>,
}

type Entries = BTreeMap<OsString, u64>;

#[derive(Debug, Clone)]
enum Entry {
    Put(OsString, u64),
    Gone(OsString),
    /// At once, as file systems with a journal do it.
    Moved(OsString, OsString, u64),
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskError {
    NoPower,
    Missing,
    Exists,
    IsFolder,
    NoFolder,
    NotEmpty,
}

impl Disk {
    /// An empty one.
    pub fn new(syncs: SyncBehaviour) -> Disk {
        Disk {
            nodes: BTreeMap::from([(ROOT, Node::Folder(Folder::default()))]),
            next: ROOT + 1,
            syncs,
            has_power: true,
        }
    }

    /// Cuts the power: from now on nothing can be read or written. Gives the disk as it is when the power is back.
    pub fn cut(&mut self, random: &mut fastrand::Rng) -> (Disk, CutLoss) {
        let mut after = self.clone();
        self.has_power = false;
        let mut lost = CutLoss::default();
        for node in after.nodes.values_mut() {
            match node {
                Node::File(file) => file.cut(random, &mut lost),
                Node::Folder(folder) => folder.cut(random, &mut lost),
            }
        }
        after.forget_what_nobody_names();
        (after, lost)
    }

    pub(crate) fn node(&self, node: u64) -> Result<&Node, DiskError> {
        if !self.has_power {
            return Err(DiskError::NoPower);
        }
        self.nodes.get(&node).ok_or(DiskError::Missing)
    }

    pub(crate) fn file(&self, node: u64) -> Result<&File, DiskError> {
        match self.node(node)? {
            Node::File(file) => Ok(file),
            Node::Folder(_) => Err(DiskError::IsFolder),
        }
    }

    pub(crate) fn folder(&self, node: u64) -> Result<&Folder, DiskError> {
        match self.node(node)? {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(DiskError::NoFolder),
        }
    }

    pub(crate) fn named(&self, parent: u64, name: &OsStr) -> Result<u64, DiskError> {
        let node = self.folder(parent)?.live.get(name);
        node.copied().ok_or(DiskError::Missing)
    }

    /// A new file or folder.
    pub(crate) fn create(
        &mut self,
        parent: u64,
        name: &OsStr,
        node: Node,
    ) -> Result<u64, DiskError> {
        match self.named(parent, name) {
            Ok(_) => return Err(DiskError::Exists),
            Err(DiskError::Missing) => {}
            Err(refused) => return Err(refused),
        }
        let number = self.next;
        self.next += 1;
        self.nodes.insert(number, node);
        self.enter(parent, Entry::Put(name.to_owned(), number))?;
        Ok(number)
    }

    pub(crate) fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), DiskError> {
        if let Node::Folder(folder) = self.node(self.named(parent, name)?)?
            && !folder.live.is_empty()
        {
            return Err(DiskError::NotEmpty);
        }
        // The node stays: it may still be open, and a cut may bring its entry back.
        self.enter(parent, Entry::Gone(name.to_owned()))
    }

    pub(crate) fn rename(
        &mut self,
        (from, name): (u64, &OsStr),
        (to, new): (u64, &OsStr),
    ) -> Result<(), DiskError> {
        let node = self.named(from, name)?;
        if from == to {
            let moved = Entry::Moved(name.to_owned(), new.to_owned(), node);
            return self.enter(from, moved);
        }
        self.enter(to, Entry::Put(new.to_owned(), node))?;
        self.enter(from, Entry::Gone(name.to_owned()))
    }

    pub(crate) fn write(&mut self, node: u64, at: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let bytes = bytes.to_vec();
        self.change(node, Change::Write { at, bytes })
    }

    pub(crate) fn set_length(&mut self, node: u64, length: usize) -> Result<(), DiskError> {
        self.change(node, Change::Length(length))
    }

    /// What fsync and fdatasync do, of a file or a folder.
    pub(crate) fn sync(&mut self, node: u64) -> Result<(), DiskError> {
        let ignored = self.syncs == SyncBehaviour::Ignored;
        match self.node_mut(node)? {
            _ if ignored => {}
            Node::File(file) => {
                for change in std::mem::take(&mut file.since) {
                    change.apply(&mut file.synced, 0);
                }
            }
            Node::Folder(folder) => {
                for entry in std::mem::take(&mut folder.since) {
                    entry.apply(&mut folder.synced);
                }
            }
        }
        Ok(())
    }

    fn node_mut(&mut self, node: u64) -> Result<&mut Node, DiskError> {
        if !self.has_power {
            return Err(DiskError::NoPower);
        }
        self.nodes.get_mut(&node).ok_or(DiskError::Missing)
    }

    fn change(&mut self, node: u64, change: Change) -> Result<(), DiskError> {
        match self.node_mut(node)? {
            Node::File(file) => {
                change.apply(&mut file.live, 0);
                file.since.push(change);
                Ok(())
            }
            Node::Folder(_) => Err(DiskError::IsFolder),
        }
    }

    fn enter(&mut self, parent: u64, entry: Entry) -> Result<(), DiskError> {
        match self.node_mut(parent)? {
            Node::Folder(folder) => {
                entry.apply(&mut folder.live);
                folder.since.push(entry);
                Ok(())
            }
            Node::File(_) => Err(DiskError::NoFolder),
        }
    }

    fn forget_what_nobody_names(&mut self) {
        let mut named = BTreeMap::new();
        let mut open = vec![ROOT];
        while let Some(number) = open.pop() {
            if let Some(node) = self.nodes.remove(&number) {
                if let Node::Folder(folder) = &node {
                    open.extend(folder.live.values());
                }
                named.insert(number, node);
            }
        }
        self.nodes = named;
    }
}

/// The unsynced changes of one file or folder that survive a cut.
enum Survivors {
    Nothing,
    All,
    /// So many, and of the next one a part.
    First(usize),
    /// Each by itself, with this chance.
    Any(f64),
}

impl Survivors {
    fn of(count: usize, random: &mut fastrand::Rng) -> Survivors {
        match random.u8(0..10) {
            0 | 1 => Survivors::Nothing,
            2 => Survivors::All,
            3..6 => Survivors::First(random.usize(0..=count)),
            _ => Survivors::Any(random.f64()),
        }
    }
}

impl File {
    fn cut(&mut self, random: &mut fastrand::Rng, lost: &mut CutLoss) {
        let changes = std::mem::take(&mut self.since);
        let kept = Survivors::of(changes.len(), random);
        // What is in a sector that was never written is the file system's choice: nothing, or what lay there before.
        let stale = if random.u8(0..4) == 0 { 0xA5 } else { 0 };
        lost.unsynced += changes.len();
        for (index, change) in changes.into_iter().enumerate() {
            let chance = match kept {
                Survivors::Nothing => 0.0,
                Survivors::All => 1.0,
                Survivors::First(count) if index < count => 1.0,
                Survivors::First(count) if index == count => 0.5,
                Survivors::First(_) => 0.0,
                Survivors::Any(chance) => chance,
            };
            let sectors = change.sectors();
            let count = sectors.len();
            let left: Vec<Change> = sectors
                .into_iter()
                .filter(|_| random.f64() < chance)
                .collect();
            lost.gone += usize::from(left.len() < count);
            for change in left {
                change.apply(&mut self.synced, stale);
            }
        }
        self.live = self.synced.clone();
    }
}

impl Folder {
    fn cut(&mut self, random: &mut fastrand::Rng, lost: &mut CutLoss) {
        let entries = std::mem::take(&mut self.since);
        let kept = Survivors::of(entries.len(), random);
        lost.unsynced += entries.len();
        for (index, entry) in entries.into_iter().enumerate() {
            let is_kept = match kept {
                Survivors::Nothing => false,
                Survivors::All => true,
                Survivors::First(count) => index < count,
                Survivors::Any(chance) => random.f64() < chance,
            };
            if is_kept {
                entry.apply(&mut self.synced);
            } else {
                lost.gone += 1;
            }
        }
        self.live = self.synced.clone();
    }
}

impl Change {
    /// The same in parts that are written each or not.
    fn sectors(self) -> Vec<Change> {
        let (mut at, mut rest) = match &self {
            Change::Write { at, bytes } => (*at, bytes.as_slice()),
            Change::Length(_) => return vec![self],
        };
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            let bytes = part.to_vec();
            parts.push(Change::Write { at, bytes });
            (at, rest) = (at + part.len(), after);
        }
        parts
    }

    fn apply(&self, content: &mut Vec<u8>, stale: u8) {
        match self {
            Change::Write { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, stale);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Change::Length(length) => content.resize(*length, 0),
        }
    }
}

impl Entry {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Entry::Put(name, node) => {
                entries.insert(name.clone(), *node);
            }
            Entry::Gone(name) => {
                entries.remove(name);
            }
            Entry::Moved(name, new, node) => {
                if entries.get(name) == Some(node) {
                    entries.remove(name);
                }
                entries.insert(new.clone(), *node);
            }
        }
    }
}

#[cfg(test)]
mod tests;
