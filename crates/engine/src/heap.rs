//! The memory of packed records: each lies in a room of the next larger size, in pages of rooms of
//! one size, in few large blocks. So records lie close together however often they change, a
//! change mostly goes back to where the record was, and the system can use large pages.
//!
//! Kept true: what `put` or `replace` gave is read back as it was, until it is freed.

/// A page has rooms of one size.
const PAGE: usize = 1 << 16;
/// Places are counted in so many bytes.
const UNIT: usize = 16;
const PAGE_UNITS: u32 = (PAGE / UNIT) as u32;
/// What is longer lies by itself.
const ROOM_MOST: usize = 4096;
/// Blocks grow up to so many pages.
const BLOCK_PAGES_MOST: usize = 128;
/// The highest bit of a place: a record that lies by itself.
const ALONE: u32 = 1 << 31;

/// Where some bytes are, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    place: u32,
    len: u32,
}

impl Packed {
    /// Long ones are not packed anew after every change.
    pub fn is_long(self) -> bool {
        self.len as usize > ROOM_MOST
    }
}

#[derive(Default)]
pub struct Heap {
    blocks: Vec<Vec<u8>>,
    pages: Vec<Page>,
    /// Pages without records, for any size.
    empty: Vec<u32>,
    /// For each size the pages that have room, or had when they came here; some serve another size
    /// now.
    with_room: Vec<Vec<u32>>,
    alone: Vec<Box<[u8]>>,
    alone_free: Vec<u32>,
    /// What the rooms in use take.
    bytes: usize,
}

#[derive(Default)]
struct Page {
    block: u32,
    /// Where in the block it begins.
    at: u32,
    size: u8,
    /// The longest record for a room of this size, and the longest for the next smaller one.
    most: u16,
    below: u16,
    /// Free rooms that were never used begin here.
    fresh: u16,
    /// The first room of those given back, plus one; each of them names the next.
    free: u16,
    used: u16,
    /// It stands in its size's list of pages with room.
    listed: bool,
    /// It stands in the list of empty pages, and in no other that counts.
    idle: bool,
}

/// Steps of a sixteenth to a quarter of the size: 16, 32 ... 256, 288 ... 512, 576 ... 4096.
fn size_of_room(number: usize) -> usize {
    match number {
        0..16 => (number + 1) * 16,
        16..24 => 256 + (number - 15) * 32,
        24..32 => 512 + (number - 23) * 64,
        32..40 => 1024 + (number - 31) * 128,
        _ => 2048 + (number - 39) * 256,
    }
}

fn size_for(len: usize) -> usize {
    let len = len.max(1);
    match len {
        0..=256 => (len - 1) / 16,
        257..=512 => 16 + (len - 257) / 32,
        513..=1024 => 24 + (len - 513) / 64,
        1025..=2048 => 32 + (len - 1025) / 128,
        _ => 40 + (len - 2049) / 256,
    }
}

impl Heap {
    #[inline]
    pub fn get(&self, packed: Packed) -> &[u8] {
        let len = packed.len as usize;
        if packed.place & ALONE != 0 {
            return &self.alone[(packed.place & !ALONE) as usize];
        }
        let (block, at) = self.block_and_at(packed.place);
        &self.blocks[block][at..at + len]
    }

    /// In which block a room is, and where in it.
    fn block_and_at(&self, place: u32) -> (usize, usize) {
        let page = &self.pages[(place / PAGE_UNITS) as usize];
        (page.block as usize, page.at as usize + (place % PAGE_UNITS) as usize * UNIT)
    }

    /// What all rooms in use take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn put(&mut self, bytes: &[u8]) -> Packed {
        let len = u32::try_from(bytes.len()).expect("a record is far below 4 GiB");
        if bytes.len() > ROOM_MOST {
            self.bytes += bytes.len();
            let place = match self.alone_free.pop() {
                Some(place) => {
                    self.alone[place as usize] = bytes.into();
                    place
                }
                None => {
                    self.alone.push(bytes.into());
                    self.alone.len() as u32 - 1
                }
            };
            return Packed { place: place | ALONE, len };
        }
        let size = size_for(bytes.len());
        self.bytes += size_of_room(size);
        let packed = Packed { place: self.room(size), len };
        self.copy(packed, bytes);
        packed
    }

    /// Puts other bytes in their place, into the same room if they fit there.
    pub fn replace(&mut self, old: Packed, bytes: &[u8]) -> Packed {
        if old.place & ALONE == 0 {
            let page = &self.pages[(old.place / PAGE_UNITS) as usize];
            if bytes.len() <= page.most.into() && bytes.len() > page.below.into() {
                let at = page.at as usize + (old.place % PAGE_UNITS) as usize * UNIT;
                let block = &mut self.blocks[page.block as usize];
                block[at..at + bytes.len()].copy_from_slice(bytes);
                return Packed { place: old.place, len: bytes.len() as u32 };
            }
        }
        self.free(old);
        self.put(bytes)
    }

    pub fn free(&mut self, packed: Packed) {
        if packed.place & ALONE != 0 {
            let place = packed.place & !ALONE;
            self.bytes -= packed.len as usize;
            self.alone[place as usize] = Box::default();
            self.alone_free.push(place);
            return;
        }
        let (block, at) = self.block_and_at(packed.place);
        let number = packed.place / PAGE_UNITS;
        let page = &mut self.pages[number as usize];
        let size = size_of_room(usize::from(page.size));
        self.bytes -= size;
        page.used -= 1;
        if page.used == 0 {
            page.idle = true;
            self.empty.push(number);
            return;
        }
        self.blocks[block][at..at + 2].copy_from_slice(&page.free.to_le_bytes());
        page.free = ((at - page.at as usize) / size) as u16 + 1;
        if !page.listed {
            page.listed = true;
            self.with_room[usize::from(page.size)].push(number);
        }
    }

    fn copy(&mut self, packed: Packed, bytes: &[u8]) {
        let (block, at) = self.block_and_at(packed.place);
        self.blocks[block][at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A free room of this size.
    fn room(&mut self, size: usize) -> u32 {
        if self.with_room.len() <= size {
            self.with_room.resize(size + 1, Vec::new());
        }
        let room_bytes = size_of_room(size);
        let rooms = (PAGE / room_bytes) as u16;
        loop {
            let Some(&number) = self.with_room[size].last() else {
                let number = self.page(size as u8);
                self.with_room[size].push(number);
                continue;
            };
            let page = &mut self.pages[number as usize];
            if page.idle || usize::from(page.size) != size {
                self.with_room[size].pop();
                continue;
            }
            let room = if page.free != 0 {
                let room = page.free - 1;
                let at = page.at as usize + usize::from(room) * room_bytes;
                let block = &self.blocks[page.block as usize];
                page.free = u16::from_le_bytes([block[at], block[at + 1]]);
                room
            } else if page.fresh < rooms {
                page.fresh += 1;
                page.fresh - 1
            } else {
                page.listed = false;
                self.with_room[size].pop();
                continue;
            };
            page.used += 1;
            return number * PAGE_UNITS + (usize::from(room) * room_bytes / UNIT) as u32;
        }
    }

    /// A page without records, for rooms of this size.
    fn page(&mut self, size: u8) -> u32 {
        if self.empty.is_empty() {
            self.block();
        }
        let number = self.empty.pop().expect("a block has pages");
        let page = &mut self.pages[number as usize];
        (page.size, page.fresh, page.free) = (size, 0, 0);
        page.most = size_of_room(size.into()) as u16;
        page.below = size.checked_sub(1).map_or(0, |below| size_of_room(below.into()) as u16);
        (page.listed, page.idle) = (true, false);
        number
    }

    /// A new block of empty pages.
    fn block(&mut self) {
        let count = (1 << self.blocks.len().min(7)).min(BLOCK_PAGES_MOST);
        let block = self.blocks.len() as u32;
        self.blocks.push(vec![0; count * PAGE]);
        let first = self.pages.len() as u32;
        assert!(first + (count as u32) < ALONE / PAGE_UNITS, "a table holds at most 32 GiB");
        for number in 0..count {
            let at = (number * PAGE) as u32;
            self.pages.push(Page { block, at, idle: true, ..Page::default() });
        }
        // The lowest comes first.
        self.empty.extend((first..first + count as u32).rev());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_and_hold_what_they_are_for() {
        for len in 1..=ROOM_MOST {
            let size = size_for(len);
            assert!(size_of_room(size) >= len, "{len}");
            assert!(size == 0 || size_of_room(size - 1) < len, "{len}");
        }
        assert_eq!(size_of_room(size_for(ROOM_MOST)), ROOM_MOST);
    }

    /// Against plain vectors: put, replace, free in an order by chance.
    #[test]
    fn what_was_put_is_read_back() {
        let mut dice = 42_u64;
        let mut roll = move |most: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (dice >> 33) % most
        };
        let mut heap = Heap::default();
        let mut model: Vec<(Packed, Vec<u8>)> = Vec::new();
        for round in 0..200_000_u64 {
            let most = if round / 20_000 % 2 == 0 { 300 } else { 5_000 };
            let bytes: Vec<u8> = (0..=roll(most)).map(|at| (at ^ round) as u8).collect();
            match roll(if round / 50_000 % 2 == 0 { 5 } else { 12 }) {
                0 | 1 => model.push((heap.put(&bytes), bytes)),
                2 if !model.is_empty() => {
                    let at = roll(model.len() as u64) as usize;
                    model[at] = (heap.replace(model[at].0, &bytes), bytes);
                }
                _ if !model.is_empty() => {
                    let (packed, bytes) = model.swap_remove(roll(model.len() as u64) as usize);
                    assert_eq!(heap.get(packed), bytes);
                    heap.free(packed);
                }
                _ => {}
            }
        }
        for (packed, bytes) in &model {
            assert_eq!(heap.get(*packed), *bytes);
        }
        model.drain(..).for_each(|(packed, _)| heap.free(packed));
        assert_eq!(heap.bytes(), 0);
    }

    #[test]
    fn pages_of_one_size_serve_another_when_they_are_empty() {
        let mut heap = Heap::default();
        for len in [20, 100, 200, 400, 1000, 3000] {
            let all: Vec<Packed> = (0..4_000_000 / len).map(|_| heap.put(&vec![1; len])).collect();
            all.into_iter().for_each(|packed| heap.free(packed));
        }
        let held: usize = heap.blocks.iter().map(Vec::len).sum();
        assert!(held < 20 << 20, "{held}");
    }
}
