//! A flock of sleeping processes, and memory cgroups for them. All of it goes when dropped.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that ends when the bench does, however that ends.
pub fn mortal(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

#[derive(Debug, Default)]
pub struct Flock {
    children: Vec<Child>,
}

impl Flock {
    /// Adds sleepers until there are `n`.
    pub fn grow_to(&mut self, n: usize) -> Result<(), String> {
        while self.children.len() < n {
            let mut sleep = mortal("sleep");
            sleep.arg("100000").stdin(Stdio::null()).stdout(Stdio::null());
            let child = sleep.spawn();
            self.children.push(child.map_err(|e| format!("process {}: {e}", self.children.len()))?);
        }
        Ok(())
    }

    pub fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.children.iter().map(Child::id)
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Fails only for what has ended already.
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

/// Memory cgroups, each with one sleeper in it.
#[derive(Debug)]
pub struct Cages {
    root: PathBuf,
    dirs: Vec<PathBuf>,
    /// Those that the cages are in.
    around: Vec<PathBuf>,
    flock: Flock,
}

impl Cages {
    pub fn make(n: usize) -> Result<Self, String> {
        Self::named(n, |i| format!("cage-{i}"))
    }

    /// The same, named as the cgroups of containers of pods are.
    pub fn containers(n: usize) -> Result<Self, String> {
        Self::named(n, |i| format!("pod{i:08x}-1111-2222-3333-444455556666/{i:064x}"))
    }

    fn named(n: usize, name: impl Fn(usize) -> String) -> Result<Self, String> {
        let base = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"]
            .into_iter()
            .map(PathBuf::from)
            .find(|p| p.join("cgroup.procs").exists())
            .ok_or("no memory cgroup hierarchy is mounted")?;
        let root = base.join(format!("plimsoll-bench-{}", std::process::id()));
        let is_v2 = base.join("cgroup.controllers").exists();
        let mut cages = Self {
            root: root.clone(),
            dirs: Vec::new(),
            around: Vec::new(),
            flock: Flock::default(),
        };
        make_dir(&root)?;
        if is_v2 {
            write(root.join("cgroup.subtree_control"), "+memory")?;
        }
        cages.flock.grow_to(n)?;
        let pids: Vec<u32> = cages.flock.pids().collect();
        for (i, pid) in pids.into_iter().enumerate() {
            let dir = root.join(name(i));
            if let Some(parent) = dir.parent().filter(|parent| *parent != root) {
                make_dir(&parent.to_owned())?;
                cages.around.push(parent.to_owned());
                if is_v2 {
                    write(parent.join("cgroup.subtree_control"), "+memory")?;
                }
            }
            make_dir(&dir)?;
            cages.dirs.push(dir.clone());
            write(dir.join("cgroup.procs"), &pid.to_string())?;
        }
        Ok(cages)
    }
}

impl Cages {
    /// What tells the memory of each: its usage and its `memory.stat`.
    pub fn usage_files(&self) -> Vec<PathBuf> {
        let usage = ["memory.current", "memory.usage_in_bytes"];
        let files = |dir: &PathBuf| {
            let usage = usage.map(|name| dir.join(name)).into_iter().find(|path| path.exists());
            usage.into_iter().chain([dir.join("memory.stat")])
        };
        self.dirs.iter().flat_map(files).collect()
    }
}

impl Drop for Cages {
    fn drop(&mut self) {
        drop(std::mem::take(&mut self.flock));
        let deadline = Instant::now() + Duration::from_secs(20);
        for dir in self.dirs.iter().chain(&self.around).chain([&self.root]) {
            while dir.exists() && fs::remove_dir(dir).is_err() && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }
}

fn make_dir(dir: &PathBuf) -> Result<(), String> {
    fs::create_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))
}

fn write(path: PathBuf, text: &str) -> Result<(), String> {
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}
