//! Sixteen bits of each id of some generations, which say of all but few other ids that they are
//! in none of them.
//!
//! Ids are digests. Their highest bits name a bucket of some sixteen ids; the print of an id is its
//! next bits, and in the lowest bits of the print stands the number of its generation. Two
//! `Prints` of as many generations become one of twice as many: with twice the buckets, the
//! highest bit of a print moves to the bucket's number, and makes room for one bit of the
//! generation's. So as long as they double, a look costs two places in memory for all generations
//! together, and an id still takes its two bytes and a quarter.
//!
//! Kept true: each id of the generations is found, whatever was joined.

use model::bytes::{Reader, Writer};

/// How many ids a bucket has on the average.
const BUCKET: usize = 16;

pub(super) struct Prints {
    /// Of an id, for its bucket.
    bits: u32,
    /// The lowest ones of a print say the generation.
    tag_bits: u32,
    /// By the number in the print.
    generations: Vec<u32>,
    /// Where each bucket begins, and the end of the last.
    begins: Vec<u32>,
    prints: Vec<u16>,
}

impl Prints {
    /// Of one generation of about so many ids, which come next and in order.
    pub fn new(generation: u32, ids: usize) -> Prints {
        let bits = (ids / BUCKET).max(2).ilog2();
        // A checkpoint comes when there are some more.
        Prints::with_room(bits, 0, vec![generation], ids + ids / 16)
    }

    fn with_room(bits: u32, tag_bits: u32, generations: Vec<u32>, ids: usize) -> Prints {
        let mut begins = Vec::with_capacity((1 << bits) + 1);
        begins.push(0);
        Prints { bits, tag_bits, generations, begins, prints: Vec::with_capacity(ids) }
    }

    pub fn buckets(&self) -> usize {
        1 << self.bits
    }

    pub fn generations(&self) -> &[u32] {
        &self.generations
    }

    pub fn bytes(&self) -> usize {
        self.begins.capacity() * 4 + self.prints.capacity() * 2
    }

    fn bucket_of(&self, id: u64) -> usize {
        (id >> (64 - self.bits)) as usize
    }

    fn print_of(&self, id: u64) -> u16 {
        (id << self.bits >> 48) as u16
    }

    /// Ids have to come in order.
    pub fn push(&mut self, id: u64) {
        self.close(self.bucket_of(id));
        self.prints.push(self.print_of(id));
    }

    /// No more ids come for the buckets before this one.
    fn close(&mut self, bucket: usize) {
        let end = u32::try_from(self.prints.len()).expect("far fewer than four thousand million");
        self.begins.resize(bucket + 1, end);
    }

    pub fn end(&mut self) {
        self.close(self.buckets());
        self.prints.shrink_to_fit();
    }

    /// Where the id's print would be. Asked for many ids first, then looked at, the processor waits
    /// for many places at once.
    pub fn place(&self, id: u64) -> (u32, u32) {
        let bucket = self.bucket_of(id);
        (self.begins[bucket], self.begins[bucket + 1])
    }

    /// Something of what is there, to bring it near.
    pub fn touch(&self, place: (u32, u32)) -> u16 {
        self.prints.get(place.0 as usize).copied().unwrap_or(0)
    }

    pub fn may_contain(&self, place: (u32, u32), id: u64) -> bool {
        let own = self.print_of(id) >> self.tag_bits;
        // No way out of the loop, so that many are compared at once.
        let bucket = &self.prints[place.0 as usize..place.1 as usize];
        bucket.iter().fold(false, |found, print| found | (print >> self.tag_bits == own))
    }

    /// The generations that may have it.
    pub fn generations_of(&self, place: (u32, u32), id: u64) -> impl Iterator<Item = u32> {
        let own = self.print_of(id) >> self.tag_bits;
        let bucket = &self.prints[place.0 as usize..place.1 as usize];
        let found = bucket.iter().filter(move |print| **print >> self.tag_bits == own);
        found.map(|print| self.generations[usize::from(print & ((1 << self.tag_bits) - 1))])
    }

    /// Some buckets: their sizes, then the prints. Of one generation.
    pub fn write(&self, buckets: std::ops::Range<usize>, out: &mut Writer) {
        let begins = &self.begins[buckets.start..=buckets.end];
        begins.windows(2).for_each(|bucket| out.uint(u64::from(bucket[1] - bucket[0])));
        let prints = &self.prints[begins[0] as usize..begins[buckets.len()] as usize];
        prints.iter().for_each(|print| out.raw(&print.to_le_bytes()));
    }

    /// The next buckets, as they were written.
    pub fn read(&mut self, buckets: usize, bytes: &[u8]) {
        let mut input = Reader::new(bytes);
        let mut end = self.prints.len() as u32;
        for _ in 0..buckets {
            end += input.uint().expect("the store checks its rows") as u32;
            self.begins.push(end);
        }
        let prints = input.rest().chunks_exact(2);
        self.prints.extend(prints.map(|print| u16::from_le_bytes([print[0], print[1]])));
    }
}

/// Two become one, a few buckets at a time.
pub(super) struct Joining {
    out: Prints,
    next: usize,
}

impl Joining {
    /// None if they do not fit together.
    pub fn of(one: &Prints, other: &Prints, generations_most: usize) -> Option<Joining> {
        let fit = one.bits == other.bits && one.tag_bits == other.tag_bits;
        if !fit || one.generations.len() * 2 > generations_most {
            return None;
        }
        let pairs = one.generations.iter().zip(&other.generations);
        let generations = pairs.flat_map(|(one, other)| [*one, *other]).collect();
        let ids = one.prints.len() + other.prints.len();
        let out = Prints::with_room(one.bits + 1, one.tag_bits + 1, generations, ids);
        Some(Joining { out, next: 0 })
    }

    /// True when all buckets are there. The two have to be the same as before.
    pub fn step(&mut self, one: &Prints, other: &Prints, buckets: usize) -> bool {
        let upto = one.buckets().min(self.next + buckets);
        for bucket in self.next..upto {
            let both = [(one, 0), (other, 1)].map(|(own, side)| {
                let range = own.begins[bucket] as usize..own.begins[bucket + 1] as usize;
                (&own.prints[range], side)
            });
            for half in [0, 1 << 15] {
                for (prints, side) in both {
                    let own = prints.iter().filter(|print| *print & (1 << 15) == half);
                    self.out.prints.extend(own.map(|print| print << 1 | side));
                }
                self.out.begins.push(self.out.prints.len() as u32);
            }
        }
        self.next = upto;
        upto == one.buckets()
    }

    pub fn bytes(&self) -> usize {
        self.out.bytes()
    }

    pub fn into_prints(self) -> Prints {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> u64 {
        let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 31;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^ x >> 29
    }

    fn made(generation: u32, ids: usize) -> (Prints, Vec<u64>) {
        let from = u64::from(generation) * 1_000_000;
        let mut all: Vec<u64> = (from..from + ids as u64).map(id).collect();
        all.sort_unstable();
        let mut prints = Prints::new(generation, 4_096);
        all.iter().for_each(|id| prints.push(*id));
        prints.end();
        (prints, all)
    }

    fn generations(prints: &Prints, id: u64) -> Vec<u32> {
        let place = prints.place(id);
        let found: Vec<u32> = prints.generations_of(place, id).collect();
        assert_eq!(prints.may_contain(place, id), !found.is_empty());
        found
    }

    fn joined(one: &Prints, other: &Prints) -> Prints {
        let mut joining = Joining::of(one, other, 16).expect("as many generations");
        while !joining.step(one, other, 7) {}
        joining.into_prints()
    }

    #[test]
    fn sixteen_generations_are_one_and_each_id_is_in_its_own() {
        // Not all are of the size that was said.
        let sizes = (0..16).map(|generation| 4_000 + generation as usize * 50);
        let mut all: Vec<(Prints, Vec<u64>)> = Vec::new();
        for (generation, size) in sizes.enumerate() {
            all.push(made(generation as u32, size));
        }
        let ids: Vec<Vec<u64>> = all.iter().map(|(_, ids)| ids.clone()).collect();
        let mut prints: Vec<Prints> = all.into_iter().map(|(prints, _)| prints).collect();
        while prints.len() > 1 {
            prints = prints.chunks(2).map(|two| joined(&two[0], &two[1])).collect();
            for (generation, ids) in ids.iter().enumerate() {
                let own = |prints: &&Prints| prints.generations().contains(&(generation as u32));
                let prints = prints.iter().find(own).expect("no generation is lost");
                let is_found = |id: &u64| generations(prints, *id).contains(&(generation as u32));
                assert!(ids.iter().all(is_found));
            }
        }
        let all = &prints[0];
        assert!(Joining::of(all, all, 16).is_none());
        let wrong = (50_000_000..50_100_000).filter(|n| !generations(all, id(*n)).is_empty());
        let wrong = wrong.count();
        assert!((200..700).contains(&wrong), "{wrong} of 100,000, and 390 are expected");
        assert!(all.bytes() < 16 * 4_400 * 5 / 2, "{} bytes", all.bytes());
    }

    #[test]
    fn only_as_many_generations_join() {
        let (one, other, third) = (made(1, 4_000).0, made(2, 4_000).0, made(3, 4_000).0);
        let two = joined(&one, &other);
        assert!(Joining::of(&two, &third, 16).is_none());
    }

    #[test]
    fn what_was_written_is_read() {
        let (prints, ids) = made(5, 4_300);
        let mut again = Prints::new(5, 4_096);
        for from in (0..prints.buckets()).step_by(64) {
            let mut out = Writer::new();
            prints.write(from..from + 64, &mut out);
            again.read(64, out.as_bytes());
        }
        assert!(ids.iter().all(|id| generations(&again, *id).contains(&5)));
        assert_eq!((again.begins, again.prints), (prints.begins, prints.prints));
    }

    #[test]
    fn ids_of_few_buckets_or_none() {
        let mut none = Prints::new(0, 0);
        none.end();
        assert!(generations(&none, id(1)).is_empty());
        let mut last = Prints::new(0, 4_096);
        last.push(u64::MAX);
        last.end();
        assert_eq!(generations(&last, u64::MAX), [0]);
        assert!(generations(&last, 0).is_empty());
    }
}
