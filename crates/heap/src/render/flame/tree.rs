//! Weighted boxes in boxes. Pure.

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaked,
    InUse,
    Free,
    Heap,
    Other,
}

/// A box with those that lie on it.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// What is its own, beside its children or with them.
    pub(super) own: u64,
    /// Its size in the tree that it is compared with.
    pub(super) before: u64,
    pub(super) children: Vec<Tree>,
}

/// Deeper frames are joined to the last one.
const DEPTH_MAX: usize = 160;

impl Tree {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, own: 0, before: 0, children: Vec::new() }
    }

    /// As large as what it holds, or larger where something in it has no box of its own. Right only
    /// once the tree is settled.
    pub(super) const fn size(&self) -> u64 {
        self.own
    }

    /// Gives the box at `path` `n` more bytes.
    pub(super) fn add(&mut self, path: &[&str], n: u64, kind: Kind) {
        if n > 0 {
            self.add_below(path, n, kind);
        }
    }

    /// Gives the last box of `path` `n` more bytes; boxes on the way there are made, without any of
    /// their own.
    pub(super) fn add_below(&mut self, path: &[&str], n: u64, kind: Kind) {
        let mut node = self;
        for name in path.iter().take(DEPTH_MAX) {
            let at = node.children.iter().position(|child| child.name == *name);
            let at = at.unwrap_or_else(|| {
                node.children.push(Self::new(name, kind));
                node.children.len() - 1
            });
            node = &mut node.children[at];
        }
        node.own = node.own.saturating_add(n);
    }

    /// Makes every box at least as large as what lies on it, and puts the largest first.
    pub(super) fn settle(&mut self) -> u64 {
        let on_it = self.children.iter_mut().map(Self::settle);
        let on_it = on_it.fold(0_u64, u64::saturating_add);
        // A stack that ends in a frame that others go through has bytes of its own beside theirs.
        let is_stack = matches!(self.kind, Kind::Leaked | Kind::InUse);
        self.own = if is_stack { self.own.saturating_add(on_it) } else { self.own.max(on_it) };
        self.children.sort_by(|a, b| b.own.cmp(&a.own).then(a.name.cmp(&b.name)));
        self.own
    }

    /// Enters the sizes of `earlier`, a settled tree; what is only there is added without a size.
    pub(super) fn compare(&mut self, earlier: &Self) {
        self.before = earlier.own;
        for former in &earlier.children {
            match self.children.iter_mut().find(|child| child.name == former.name) {
                Some(child) => child.compare(former),
                None => {
                    let mut gone = Self::new(&former.name, former.kind);
                    gone.compare(former);
                    self.children.push(gone);
                }
            }
        }
    }

    pub(super) fn change(&self) -> i64 {
        let (now, before) = (i128::from(self.own), i128::from(self.before));
        i64::try_from(now - before).unwrap_or(if now > before { i64::MAX } else { i64::MIN })
    }

    pub(super) fn most_changed(&self) -> u64 {
        let below = self.children.iter().map(Self::most_changed).max().unwrap_or(0);
        below.max(self.change().unsigned_abs())
    }

    /// Rows of boxes of at least `least` bytes.
    pub(super) fn depth(&self, least: f64) -> usize {
        if (self.own as f64) < least {
            return 0;
        }
        1 + self.children.iter().map(|child| child.depth(least)).max().unwrap_or(0)
    }
}
