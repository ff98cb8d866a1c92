//! Price levels of every instrument and side, in one pool.
//!
//! Each side of a book is kept twice over the same nodes: as a sorted list from the best level outwards, and as a treap
//! (a search tree that is a heap by a hash). Work happens near the top, so a search first walks a few levels of the list;
//! only a price deeper than that descends the tree, in logarithmic time. The list gives an inserted node its neighbours,
//! so that its place in the tree is found without a descent, and the heap order then costs about two rotations.
//!
//! Most messages concern a level that exists, so a search first asks a small table of slots by (side, rank), which only
//! suggests: the node itself says whether it is the one, and whatever the table forgot is found by the walk.
//!
//! Levels are compared by *rank*, the price for bids and its negative for asks: on both sides the best is the greatest.
//! It never knows an order: only totals.

use shm_layout::types::{InstrumentId, Price, Side};

/// No node.
pub const NONE: u32 = u32::MAX;

/// Levels of the list that a search looks at before it descends the tree.
const NEAR_LEVELS: usize = 8;

/// One level, or a free node (then only `worse`, the next free one, has a meaning).
#[derive(Clone, Copy, Debug)]
pub struct Node {
    rank: i64,
    /// Sum of the quantities of its orders, 1e-8.
    pub qty: i64,
    /// Orders at it; positive.
    pub orders: u32,
    /// Which side of a book it belongs to: instrument × 2 + (0 bids, 1 asks).
    pub owner: u32,
    better: u32,
    worse: u32,
    parent: u32,
    /// Subtree of worse levels.
    left: u32,
    /// Subtree of better levels.
    right: u32,
    /// A parent's is never less than its children's.
    heap_key: u32,
}

const FREE: Node = Node {
    rank: 0,
    qty: 0,
    orders: 0,
    owner: NONE,
    better: NONE,
    worse: NONE,
    parent: NONE,
    left: NONE,
    right: NONE,
    heap_key: 0,
};

/// One side of one instrument's book.
#[derive(Clone, Copy, Debug)]
struct LevelSide {
    best: u32,
    root: u32,
}

const EMPTY_SIDE: LevelSide = LevelSide { best: NONE, root: NONE };

/// Where a rank is, or would be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The level exists.
    At(u32),
    /// It would stand between these two, of which either may be [`NONE`].
    Between {
        /// The next better level.
        better: u32,
        /// The next worse level.
        worse: u32,
    },
}

/// The pool and the sides.
#[derive(Debug)]
pub struct Levels {
    nodes: Box<[Node]>,
    sides: Box<[LevelSide]>,
    free: u32,
    /// Slots by hash of side and rank: suggestions, checked against the node.
    suggestions: Box<[u32]>,
    /// 64 − log2(suggestions).
    suggestion_shift: u32,
}

/// The side's index: instrument × 2, plus one for asks.
pub const fn owner_of(instrument: InstrumentId, side: Side) -> u32 {
    (instrument.0 << 1) | matches!(side, Side::Sell) as u32
}

const fn rank_of(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => price.0,
        Side::Sell => -price.0,
    }
}

impl Node {
    /// Price of the level: a rank is a positive price or its negative.
    #[inline]
    pub const fn price(&self) -> Price {
        Price(self.rank.wrapping_abs())
    }

    /// Instrument, side and price of the level.
    #[inline]
    pub const fn identity(&self) -> (InstrumentId, Side, Price) {
        let side = if self.owner & 1 == 0 { Side::Buy } else { Side::Sell };
        (InstrumentId(self.owner >> 1), side, self.price())
    }
}

impl Levels {
    /// Room for `capacity` levels of `instruments` instruments.
    pub fn new(capacity: usize, instruments: usize) -> Self {
        assert!(capacity < NONE as usize && instruments < (NONE / 2) as usize, "indexes are 32 bits");
        let mut nodes = vec![FREE; capacity].into_boxed_slice();
        for (index, node) in nodes.iter_mut().enumerate() {
            node.worse = if index + 1 < capacity { index as u32 + 1 } else { NONE };
        }
        let free = if capacity == 0 { NONE } else { 0 };
        let suggestions = vec![NONE; capacity.next_power_of_two().max(2)].into_boxed_slice();
        let suggestion_shift = 64 - suggestions.len().trailing_zeros();
        let sides = vec![EMPTY_SIDE; instruments * 2].into_boxed_slice();
        Self { nodes, sides, free, suggestions, suggestion_shift }
    }

    /// Where the table of suggestions has its word about a level.
    const fn suggestion(&self, owner: u32, rank: i64) -> usize {
        let mixed = (rank as u64 ^ (owner as u64) << 44).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed.wrapping_shr(self.suggestion_shift) as usize
    }

    /// Instruments that have a row.
    pub const fn instruments(&self) -> usize {
        self.sides.len() / 2
    }

    /// True when no further level fits.
    pub const fn is_full(&self) -> bool {
        self.free == NONE
    }

    /// The totals of a level.
    pub const fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    /// The totals of a level, to change.
    pub const fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    /// Instrument, side and price of a level.
    pub const fn identity(&self, slot: u32) -> (InstrumentId, Side, Price) {
        self.node(slot).identity()
    }

    /// The best level of a side, or [`NONE`].
    pub const fn best(&self, owner: u32) -> u32 {
        self.sides[owner as usize].best
    }

    /// The next worse level of the same side, or [`NONE`].
    pub const fn worse(&self, slot: u32) -> u32 {
        self.node(slot).worse
    }

    /// Finds a price on a side.
    #[inline]
    pub fn find(&mut self, instrument: InstrumentId, side: Side, price: Price) -> Place {
        let (owner, rank) = (owner_of(instrument, side), rank_of(side, price));
        let suggestion = self.suggestion(owner, rank);
        let suggested = self.suggestions[suggestion];
        if self.nodes.get(suggested as usize).is_some_and(|node| node.owner == owner && node.rank == rank) {
            return Place::At(suggested);
        }
        let place = self.search(owner, rank);
        if let Place::At(slot) = place {
            self.suggestions[suggestion] = slot;
        }
        place
    }

    /// Finds a rank by the list and then by the tree.
    fn search(&self, owner: u32, rank: i64) -> Place {
        let level_side = self.sides[owner as usize];
        let (mut better, mut worse) = (NONE, level_side.best);
        for _ in 0..NEAR_LEVELS {
            if worse == NONE {
                return Place::Between { better, worse };
            }
            let node = self.node(worse);
            if node.rank <= rank {
                return if node.rank == rank { Place::At(worse) } else { Place::Between { better, worse } };
            }
            (better, worse) = (worse, node.worse);
        }
        self.find_in_tree(level_side.root, rank)
    }

    fn find_in_tree(&self, root: u32, rank: i64) -> Place {
        let (mut better, mut worse, mut at) = (NONE, NONE, root);
        while at != NONE {
            let node = self.node(at);
            if node.rank == rank {
                return Place::At(at);
            }
            if node.rank > rank {
                (better, at) = (at, node.left);
            } else {
                (worse, at) = (at, node.right);
            }
        }
        Place::Between { better, worse }
    }

    /// Inserts an empty level between the two that [`Self::find`] named; the caller fills in its totals.
    ///
    /// # Panics
    /// When the pool is full.
    pub fn insert(&mut self, instrument: InstrumentId, side: Side, price: Price, better: u32, worse: u32) -> u32 {
        let (slot, owner, rank) = (self.free, owner_of(instrument, side), rank_of(side, price));
        assert!(slot != NONE, "the caller asked is_full");
        self.free = self.node(slot).worse;
        // Hash of the slot and the price: deterministic, and in no order that a price pattern follows.
        let heap_key = ((rank as u64 ^ u64::from(slot) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32;
        *self.node_mut(slot) = Node { rank, owner, better, worse, heap_key, ..FREE };
        let suggestion = self.suggestion(owner, rank);
        self.suggestions[suggestion] = slot;
        match better {
            NONE => self.sides[owner as usize].best = slot,
            _ => self.node_mut(better).worse = slot,
        }
        if worse != NONE {
            self.node_mut(worse).better = slot;
        }
        self.attach(slot);
        slot
    }

    /// Hangs a node, already in the list, into the tree: of two neighbours, one is an ancestor of the other, so exactly
    /// one of the two places beside the new node is free.
    fn attach(&mut self, slot: u32) {
        let Node { owner, better, worse, heap_key, .. } = *self.node(slot);
        if worse != NONE && self.node(worse).right == NONE {
            self.node_mut(worse).right = slot;
            self.node_mut(slot).parent = worse;
        } else if better != NONE {
            assert!(self.node(better).left == NONE, "list and tree agree");
            self.node_mut(better).left = slot;
            self.node_mut(slot).parent = better;
        } else {
            self.sides[owner as usize].root = slot;
        }
        while self.node(slot).parent != NONE && self.node(self.node(slot).parent).heap_key < heap_key {
            self.rotate_up(slot);
        }
    }

    /// Removes a level from list and tree and frees its node.
    pub fn remove(&mut self, slot: u32) {
        let Node { owner, better, worse, .. } = *self.node(slot);
        match better {
            NONE => self.sides[owner as usize].best = worse,
            _ => self.node_mut(better).worse = worse,
        }
        if worse != NONE {
            self.node_mut(worse).better = better;
        }
        self.detach(slot);
        *self.node_mut(slot) = Node { worse: self.free, ..FREE };
        self.free = slot;
    }

    /// Rotates the node down until it has at most one child, which then takes its place.
    fn detach(&mut self, slot: u32) {
        let child = loop {
            let Node { left, right, .. } = *self.node(slot);
            match (left, right) {
                (NONE, only) | (only, NONE) => break only,
                _ if self.node(left).heap_key > self.node(right).heap_key => self.rotate_up(left),
                _ => self.rotate_up(right),
            }
        };
        let Node { owner, parent, .. } = *self.node(slot);
        self.replace_child(owner, parent, slot, child);
    }

    /// Makes a node the parent of its parent; the order of ranks stays.
    fn rotate_up(&mut self, slot: u32) {
        let parent = self.node(slot).parent;
        let Node { parent: grandparent, owner, .. } = *self.node(parent);
        let moved = if self.node(parent).left == slot {
            let moved = self.node(slot).right;
            self.node_mut(slot).right = parent;
            self.node_mut(parent).left = moved;
            moved
        } else {
            let moved = self.node(slot).left;
            self.node_mut(slot).left = parent;
            self.node_mut(parent).right = moved;
            moved
        };
        if moved != NONE {
            self.node_mut(moved).parent = parent;
        }
        self.replace_child(owner, grandparent, parent, slot);
        self.node_mut(parent).parent = slot;
    }

    /// Under `parent` (or as the root), `new` stands where `old` stood.
    fn replace_child(&mut self, owner: u32, parent: u32, old: u32, new: u32) {
        if parent == NONE {
            self.sides[owner as usize].root = new;
        } else if self.node(parent).left == old {
            self.node_mut(parent).left = new;
        } else {
            self.node_mut(parent).right = new;
        }
        if new != NONE {
            self.node_mut(new).parent = parent;
        }
    }

    /// Frees every level of a side.
    pub fn clear_side(&mut self, owner: u32) {
        let mut slot = self.best(owner);
        while slot != NONE {
            let worse = self.worse(slot);
            *self.node_mut(slot) = Node { worse: self.free, ..FREE };
            self.free = slot;
            slot = worse;
        }
        self.sides[owner as usize] = EMPTY_SIDE;
    }

    /// Whether list, tree, heap order and totals of a side hold: for tests.
    pub fn is_sound(&self, owner: u32) -> bool {
        let (mut slot, mut better, mut listed) = (self.best(owner), NONE, 0);
        while slot != NONE {
            let node = self.node(slot);
            let sorted = better == NONE || self.node(better).rank > node.rank;
            let full = node.orders > 0 && node.qty > 0 && node.owner == owner;
            if !sorted
                || !full
                || node.better != better
                || self.find_in_tree(self.sides[owner as usize].root, node.rank) != Place::At(slot)
            {
                return false;
            }
            let heap = node.parent == NONE || self.node(node.parent).heap_key >= node.heap_key;
            if !heap || (node.parent == NONE) != (self.sides[owner as usize].root == slot) {
                return false;
            }
            listed += 1;
            (better, slot) = (slot, node.worse);
        }
        listed == self.nodes.iter().filter(|node| node.owner == owner).count()
    }
}
