//! The disk as a folder: what the kernel asks for, passed on to `disk.rs`.
//!
//! Nothing is cached for writing, so what a process wrote is known here before its `write` returns. Locks and memory
//! maps are the kernel's own; what was changed through a map comes as a write, some time.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};

use crate::disk::{CutLoss, Disk, DiskError, File, Folder, Node};

/// How long the kernel may remember names and lengths: nobody but it changes them.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// A disk that is mounted. Dropped, it is unmounted and gone.
#[derive(Debug)]
pub struct Mount {
    disk: Arc<Mutex<Disk>>,
    _session: BackgroundSession,
}

/// Mounts `disk` on the folder `at`. Errors name what is missing.
pub fn mount(disk: Disk, at: &Path) -> io::Result<Mount> {
    let disk = Arc::new(Mutex::new(disk));
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("power-cut".to_owned())];
    let session = fuser::spawn_mount(DiskServer { disk: disk.clone() }, at, &config);
    let session = session.map_err(|error| {
        let text = format!(
            "{}: cannot mount a FUSE file system: {error}. It needs /dev/fuse, and root or fusermount3",
            at.display()
        );
        io::Error::new(error.kind(), text)
    })?;
    Ok(Mount {
        disk,
        _session: session,
    })
}

impl Mount {
    /// Cuts the power; see [`Disk::cut`].
    pub fn cut(&self, random: &mut fastrand::Rng) -> (Disk, CutLoss) {
        locked(&self.disk).cut(random)
    }
}

fn locked(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

struct DiskServer {
    disk: Arc<Mutex<Disk>>,
}

impl DiskServer {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        locked(&self.disk)
    }
}

impl From<DiskError> for Errno {
    fn from(refused: DiskError) -> Errno {
        match refused {
            DiskError::NoPower => Errno::EIO,
            DiskError::Missing => Errno::ENOENT,
            DiskError::Exists => Errno::EEXIST,
            DiskError::IsFolder => Errno::EISDIR,
            DiskError::NoFolder => Errno::ENOTDIR,
            DiskError::NotEmpty => Errno::ENOTEMPTY,
        }
    }
}

fn attributes(disk: &Disk, node: u64, request: &Request) -> Result<FileAttr, DiskError> {
    let (kind, perm, size) = match disk.node(node)? {
        Node::File(file) => (FileType::RegularFile, 0o644, file.live.len() as u64),
        Node::Folder(_) => (FileType::Directory, 0o755, 0),
    };
    let time = SystemTime::UNIX_EPOCH;
    Ok(FileAttr {
        ino: INodeNo(node),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm,
        nlink: 1,
        uid: request.uid(),
        gid: request.gid(),
        rdev: 0,
        blksize: 4_096,
        flags: 0,
    })
}

fn reply_with(result: Result<(), DiskError>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(refused) => reply.error(refused.into()),
    }
}

fn entry(result: Result<FileAttr, DiskError>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&REMEMBERED, &attributes, Generation(0)),
        Err(refused) => reply.error(refused.into()),
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Filesystem for DiskServer {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = self.disk();
        let found = disk.named(parent.0, name);
        entry(
            found.and_then(|node| attributes(&disk, node, request)),
            reply,
        );
    }

    fn getattr(
        &self,
        request: &Request,
        node: INodeNo,
        _file: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        match attributes(&self.disk(), node.0, request) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _file: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let set = size.map_or(Ok(()), |size| disk.set_length(node.0, place(size)));
        match set.and_then(|()| attributes(&disk, node.0, request)) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let mut disk = self.disk();
        let made = disk.create(parent.0, name, Node::Folder(Folder::default()));
        entry(
            made.and_then(|node| attributes(&disk, node, request)),
            reply,
        );
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let mut disk = self.disk();
        let made = disk.create(parent.0, name, Node::File(File::default()));
        match made.and_then(|node| attributes(&disk, node, request)) {
            Ok(attributes) => reply.created(
                &REMEMBERED,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_with(self.disk().remove(parent.0, name), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_with(self.disk().remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply_with(self.disk().rename((parent.0, name), (to.0, new)), reply);
    }

    fn read(
        &self,
        _request: &Request,
        node: INodeNo,
        _file: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().file(node.0) {
            Ok(file) => {
                let rest = file.live.get(place(offset)..).unwrap_or_default();
                let size = rest.len().min(place(size.into()));
                reply.data(rest.get(..size).unwrap_or_default());
            }
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn write(
        &self,
        _request: &Request,
        node: INodeNo,
        _file: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(node.0, place(offset), data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn fsync(
        &self,
        _request: &Request,
        node: INodeNo,
        _file: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply_with(self.disk().sync(node.0), reply);
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        node: INodeNo,
        _file: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply_with(self.disk().sync(node.0), reply);
    }

    fn flush(
        &self,
        _request: &Request,
        _node: INodeNo,
        _file: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok(); // a close syncs nothing
    }

    fn readdir(
        &self,
        _request: &Request,
        node: INodeNo,
        _file: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let disk = self.disk();
        let folder = match disk.folder(node.0) {
            Ok(folder) => folder,
            Err(refused) => return reply.error(refused.into()),
        };
        for (index, (name, node)) in folder.live.iter().enumerate().skip(place(offset)) {
            let kind = match disk.node(*node) {
                Ok(Node::Folder(_)) => FileType::Directory,
                Ok(Node::File(_)) | Err(_) => FileType::RegularFile,
            };
            if reply.add(INodeNo(*node), index as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
