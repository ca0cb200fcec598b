//! A priority queue whose entries can be found again.
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Finds an entry again while it waits; refused once it has left, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle {
    slot: u32,
    generation: u32,
}

impl Handle {
    /// The handle as a number, of which no two are equal.
    pub fn to_bits(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    /// The handle of a number; one that no heap ever gave finds nothing.
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: (bits >> 32) as u32, generation: bits as u32 }
    }
}

/// A key of 128 bits that needs no more alignment than its halves; ordered as the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed(u64, u64);

impl From<u128> for Packed {
    fn from(number: u128) -> Self {
        Self((number >> 64) as u64, number as u64)
    }
}

impl From<Packed> for u128 {
    fn from(Packed(high, low): Packed) -> Self {
        Self::from(high) << 64 | Self::from(low)
    }
}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from(*self).cmp(&u128::from(*other))
    }
}

/// Children of a node. Four keys of 24 bytes are one and a half cache lines, and the tree is half as deep as a binary one.
const ARITY: usize = 4;

/// A 4-ary implicit heap of keys, least first, beside a slab of values; each slot of the slab knows where its key is, so that an entry
/// is removed or moved in O(log n). Equal keys leave in no particular order: who wants one puts it into the key.
///
/// Serialised as its slab: the heap is made again from it, and handles stay valid.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Slab<K, T>", into = "Slab<K, T>")]
#[serde(bound(serialize = "K: Copy + Serialize, T: Clone + Serialize"))]
#[serde(bound(deserialize = "K: Copy + Ord + Deserialize<'de>, T: Deserialize<'de>"))]
pub struct Heap<K, T> {
    entries: Vec<Entry<K>>,
    /// Whether the root is left empty by the last `pop`: what enters next is put there, without a way up and another down.
    hollow: bool,
    /// Of each slot, the index of its entry while it has one.
    positions: Vec<u32>,
    generations: Vec<u32>,
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    key: K,
    slot: u32,
}

/// What a heap is written as: of each slot the generation and what waits in it, and the free slots, the next to be used last.
#[derive(Serialize, Deserialize)]
struct Slab<K, T> {
    slots: Vec<(u32, Option<(K, T)>)>,
    free: Vec<u32>,
}

impl<K, T> Default for Heap<K, T> {
    fn default() -> Self {
        let (entries, positions, generations) = (Vec::new(), Vec::new(), Vec::new());
        Self { entries, hollow: false, positions, generations, values: Vec::new(), free: Vec::new() }
    }
}

impl<K: Copy + Ord, T> Heap<K, T> {
    /// Entries waiting.
    pub fn len(&self) -> usize {
        self.entries.len() - usize::from(self.hollow)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The least key.
    pub fn peek(&self) -> Option<K> {
        let least = if self.hollow { self.least_child(0)? } else { 0 };
        self.entries.get(least).map(|entry| entry.key)
    }

    /// Lets `value` wait under `key`.
    pub fn push(&mut self, key: K, value: T) -> Handle {
        let slot = self.occupy(value);
        let entry = Entry { key, slot };
        if std::mem::take(&mut self.hollow) {
            self.sink(0, entry);
        } else {
            self.entries.push(entry);
            self.rise(self.entries.len() - 1, 0, entry);
        }
        Handle { slot, generation: self.generations[slot as usize] }
    }

    /// Takes the value of the least key.
    pub fn pop(&mut self) -> Option<(K, T)> {
        self.pop_entry().map(|(_, key, value)| (key, value))
    }

    /// Takes the value of the least key, and says what its handle was.
    pub fn pop_entry(&mut self) -> Option<(Handle, K, T)> {
        self.close();
        let Entry { key, slot } = *self.entries.first()?;
        let handle = Handle { slot, generation: self.generations[slot as usize] };
        self.hollow = true;
        Some((handle, key, self.vacate(slot)?))
    }

    /// Takes an entry out before its turn.
    pub fn remove(&mut self, handle: Handle) -> Option<(K, T)> {
        self.close();
        let at = self.position(handle)?;
        let key = self.entries[at].key;
        self.remove_at(at);
        Some((key, self.vacate(handle.slot)?))
    }

    /// Gives an entry another key; whether it was there. Its handle stays valid.
    pub fn change(&mut self, handle: Handle, key: K) -> bool {
        self.close();
        let Some(at) = self.position(handle) else { return false };
        let entry = Entry { key, slot: handle.slot };
        let up = key < self.entries[at].key;
        if up {
            self.rise(at, 0, entry)
        } else {
            self.sink(at, entry)
        }
        true
    }

    /// The key of an entry.
    pub fn key(&self, handle: Handle) -> Option<K> {
        self.position(handle).map(|at| self.entries[at].key)
    }

    /// The value of an entry.
    pub fn get(&self, handle: Handle) -> Option<&T> {
        self.position(handle)?;
        self.values[handle.slot as usize].as_ref()
    }

    /// Takes everything out; all handles become invalid.
    pub fn clear(&mut self) {
        self.close();
        while let Some(entry) = self.entries.pop() {
            self.vacate(entry.slot);
        }
    }

    fn position(&self, handle: Handle) -> Option<usize> {
        let slot = handle.slot as usize;
        let valid = self.generations.get(slot) == Some(&handle.generation) && self.values[slot].is_some();
        valid.then(|| self.positions[slot] as usize)
    }

    fn occupy(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.values[slot as usize] = Some(value);
            return slot;
        }
        self.positions.push(0);
        self.generations.push(0);
        self.values.push(Some(value));
        (self.values.len() - 1) as u32
    }

    /// Empties a slot. One that has used up its generations is never used again.
    fn vacate(&mut self, slot: u32) -> Option<T> {
        let generation = &mut self.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        if *generation != 0 {
            self.free.push(slot);
        }
        self.values[slot as usize].take()
    }

    fn place(&mut self, at: usize, entry: Entry<K>) {
        self.entries[at] = entry;
        self.positions[entry.slot as usize] = at as u32;
    }

    /// Moves `entry` from the hole at `at` towards the root, not above `top`.
    fn rise(&mut self, mut at: usize, top: usize, entry: Entry<K>) {
        while at > top {
            let parent = (at - 1) / ARITY;
            if self.entries[parent].key <= entry.key {
                break;
            }
            self.place(at, self.entries[parent]);
            at = parent;
        }
        self.place(at, entry);
    }

    /// Moves the hole at `at` to a leaf, then `entry` up from there: what comes from the bottom mostly stays there.
    fn sink(&mut self, at: usize, entry: Entry<K>) {
        let mut hole = at;
        while let Some(child) = self.least_child(hole) {
            self.place(hole, self.entries[child]);
            hole = child;
        }
        self.rise(hole, at, entry);
    }

    fn least_child(&self, parent: usize) -> Option<usize> {
        let first = parent * ARITY + 1;
        if let Some([a, b, c, d]) = self.entries.get(first..first + ARITY) {
            let left = usize::from(b.key < a.key);
            let right = 2 + usize::from(d.key < c.key);
            let (l, r) = (if left == 1 { b } else { a }, if right == 3 { d } else { c });
            return Some(first + if r.key < l.key { right } else { left });
        }
        (first..self.entries.len()).min_by_key(|&child| self.entries[child].key)
    }

    /// Fills the root, if it is empty, with the last entry.
    fn close(&mut self) {
        if std::mem::take(&mut self.hollow) {
            self.remove_at(0);
        }
    }

    /// Closes the gap at `at` with the last entry.
    fn remove_at(&mut self, at: usize) {
        let Some(last) = self.entries.pop() else { return };
        if at == self.entries.len() {
            return;
        }
        let up = at > 0 && last.key < self.entries[(at - 1) / ARITY].key;
        if up { self.rise(at, 0, last) } else { self.sink(at, last) }
    }
}

impl<K: Copy, T> From<Heap<K, T>> for Slab<K, T> {
    fn from(heap: Heap<K, T>) -> Self {
        let Heap { entries, positions, generations, values, free, .. } = heap;
        let key = |position: &u32| entries[*position as usize].key;
        let filled =
            values.into_iter().zip(&positions).map(|(value, position)| value.map(|value| (key(position), value)));
        Self { slots: generations.into_iter().zip(filled).collect(), free }
    }
}

impl<K: Copy + Ord, T> TryFrom<Slab<K, T>> for Heap<K, T> {
    type Error = &'static str;

    fn try_from(slab: Slab<K, T>) -> Result<Self, Self::Error> {
        let mut empty: Vec<bool> = slab.slots.iter().map(|(_, held)| held.is_none()).collect();
        let unique = slab.free.iter().all(|&slot| empty.get_mut(slot as usize).is_some_and(std::mem::take));
        if !unique || slab.slots.len() > u32::MAX as usize {
            return Err("free slots: expected each once, and empty");
        }
        let mut heap = Self { free: slab.free, ..Self::default() };
        for (slot, (generation, held)) in slab.slots.into_iter().enumerate() {
            heap.generations.push(generation);
            heap.entries.extend(held.as_ref().map(|(key, _)| Entry { key: *key, slot: slot as u32 }));
            heap.values.push(held.map(|(_, value)| value));
        }
        heap.positions = vec![0; heap.values.len()];
        heap.entries.sort_by_key(|entry| entry.key);
        heap.entries.iter().enumerate().for_each(|(at, entry)| heap.positions[entry.slot as usize] = at as u32);
        Ok(heap)
    }
}
