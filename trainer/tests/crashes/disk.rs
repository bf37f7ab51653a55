//! A disk in memory that loses at a crash what was not synced, and on which the n-th effect fails or is the last.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    rc::Rc,
};

use nas_trainer::checkpoint::{Disk, ReadDisk};

/// What happens at one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies: neither this effect nor a later one is had.
    Dies,
    /// It fails and has no effect.
    Fails(ErrorKind),
    /// It has its effect and is reported as failed.
    FailsAfter,
    /// All of `/disk` is removed just before.
    Vanishes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    /// A file by its place in the list of contents.
    File(usize),
}

#[derive(Clone, Debug)]
struct Content {
    seen: Vec<u8>,
    synced: bool,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Debug)]
struct State {
    /// As every process sees it.
    seen: Names,
    /// What is left after a crash.
    durable: Names,
    contents: Vec<Content>,
    fault: Option<(usize, Fault)>,
    effects: usize,
    dead: bool,
}

/// Clones share the disk, as the processes of a machine do.
#[derive(Clone, Debug)]
pub(crate) struct CrashDisk(Rc<RefCell<State>>);

impl CrashDisk {
    /// A disk with the empty folder `/disk`.
    pub(crate) fn new() -> Self {
        let seen: Names = ["/", "/disk"].map(|path| (path.into(), Node::Folder)).into();
        let durable = seen.clone();
        Self(Rc::new(RefCell::new(State { seen, durable, contents: Vec::new(), fault: None, effects: 0, dead: false })))
    }

    /// Lets the effect with this number (from 0, since the disk is new) go wrong.
    pub(crate) fn set_fault(&self, at: usize, fault: Fault) {
        self.0.borrow_mut().fault = Some((at, fault));
    }

    /// Effects so far.
    pub(crate) fn effects(&self) -> usize {
        self.0.borrow().effects
    }

    /// A disk of its own with the same files, for another course of things.
    pub(crate) fn fork(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// The process is gone, the machine goes on.
    pub(crate) fn restart_process(&self) {
        let mut state = self.0.borrow_mut();
        (state.dead, state.fault) = (false, None);
    }

    /// How many names a crash may leave as they were or as they are.
    pub(crate) fn unsynced(&self) -> usize {
        self.0.borrow().unsynced().len()
    }

    /// The machine crashes. Of the names that were not synced, those whose bit is set in `kept` are as last seen, in any combination;
    /// a file that was not synced is torn.
    pub(crate) fn crash(&self, kept: usize) {
        self.restart_process();
        let mut state = self.0.borrow_mut();
        for (place, path) in state.unsynced().into_iter().enumerate() {
            if kept >> place & 1 == 1 {
                state.make_durable(&path);
            }
        }
        let durable = state.durable.clone();
        // Without its folder a file cannot be reached.
        state.durable.retain(|path, _| path.ancestors().skip(1).all(|above| durable.contains_key(above)));
        state.seen = state.durable.clone();
        for content in state.contents.iter_mut().filter(|content| !content.synced) {
            content.seen.truncate(content.seen.len() / 2);
        }
    }

    /// One effect, with what goes wrong there.
    fn effect<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.borrow_mut();
        state.alive()?;
        let fault = state.fault.filter(|(at, _)| *at == state.effects).map(|(_, fault)| fault);
        state.effects += 1;
        match fault {
            None => act(&mut state),
            Some(Fault::Dies) => {
                state.dead = true;
                state.alive()?;
                act(&mut state)
            }
            Some(Fault::Fails(kind)) => Err(kind.into()),
            Some(Fault::FailsAfter) => {
                act(&mut state)?;
                Err(ErrorKind::Other.into())
            }
            Some(Fault::Vanishes) => {
                state.seen.retain(|path, _| path == Path::new("/"));
                state.durable = state.seen.clone();
                act(&mut state)
            }
        }
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the process is dead")) } else { Ok(()) }
    }

    fn unsynced(&self) -> Vec<PathBuf> {
        let paths: BTreeSet<_> = self.seen.keys().chain(self.durable.keys()).collect();
        paths.into_iter().filter(|path| self.seen.get(*path) != self.durable.get(*path)).cloned().collect()
    }

    fn make_durable(&mut self, path: &Path) {
        match self.seen.get(path) {
            Some(node) => drop(self.durable.insert(path.to_owned(), *node)),
            None => drop(self.durable.remove(path)),
        }
    }

    fn folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|above| self.seen.get(above)) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.seen.get(path) {
            Some(Node::File(place)) => Ok(*place),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }
}

impl Disk for CrashDisk {
    fn make_folder(&self, path: &Path) -> io::Result<bool> {
        self.0.borrow().alive()?;
        if self.0.borrow().seen.get(path) == Some(&Node::Folder) {
            return Ok(false);
        }
        self.effect(|state| {
            state.folder_of(path)?;
            state.seen.insert(path.to_owned(), Node::Folder);
            Ok(true)
        })
    }

    /// Four effects: an empty file, half of it, all of it, and it is synced.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let place = self.effect(|state| {
            state.folder_of(path)?;
            state.contents.push(Content { seen: Vec::new(), synced: false });
            let place = state.contents.len() - 1;
            state.seen.insert(path.to_owned(), Node::File(place));
            Ok(place)
        })?;
        for length in [bytes.len() / 2, bytes.len()] {
            self.effect(|state| {
                state.contents[place].seen = bytes[..length].to_vec();
                Ok(())
            })?;
        }
        self.effect(|state| {
            state.contents[place].synced = true;
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.effect(|state| {
            let place = state.file(from)?;
            state.folder_of(to)?;
            state.seen.remove(from);
            state.seen.insert(to.to_owned(), Node::File(place));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.borrow().alive()?;
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let is_clean = !self.0.borrow().unsynced().iter().any(inside);
        if is_clean && self.0.borrow().seen.contains_key(path) {
            return Ok(());
        }
        self.effect(|state| {
            if state.seen.get(path) != Some(&Node::Folder) {
                return Err(ErrorKind::NotFound.into());
            }
            state.unsynced().iter().filter(|name| inside(name)).for_each(|name| state.make_durable(name));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.borrow().alive()?;
        self.0.borrow().file(path)?;
        self.effect(|state| {
            state.seen.remove(path);
            Ok(())
        })
    }
}

impl ReadDisk for CrashDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.borrow();
        state.alive()?;
        Ok(state.contents[state.file(path)?].seen.clone())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.borrow();
        state.alive()?;
        match state.seen.get(path) {
            Some(Node::Folder) => Ok(state.seen.keys().filter(|name| name.parent() == Some(path)).cloned().collect()),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }
}
