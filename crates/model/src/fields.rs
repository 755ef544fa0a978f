//! The fields of the records that every touch reads and changes, in the same bytes as
//! [`crate::bytes`] gives. Room is made once for all of them, and whether the bytes ended too early
//! is asked once, at their end; so reading one of them is a few instructions.

use crate::bytes::{
    Corrupt, INT48_OTHER, INT48_ZERO, Reader, Writer, of_sevens, to_sevens, uint_len,
};

/// Reads fields. Behind the end of the bytes there are zeros, until [`Fields::end`] says so.
pub struct Fields<'a> {
    rest: &'a [u8],
    /// Something was read that was not there.
    short: bool,
}

/// Room for so many bytes is made at once.
const ROOM: usize = 256;

/// Takes fields, of [`ROOM`] bytes at most.
pub struct Room<'a> {
    bytes: &'a mut [u8; ROOM],
    at: usize,
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes, short: false }
    }

    /// What was read is not what was written.
    #[cold]
    pub fn spoil(&mut self) {
        self.rest = &[];
        self.short = true;
    }

    /// Whether all that was read was there.
    #[inline]
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.short { Err(Corrupt("the record ends too early")) } else { Ok(()) }
    }

    /// The next bytes, of which `len` are read.
    #[inline(always)]
    fn chunk<const N: usize>(&mut self, len: usize) -> [u8; N] {
        match self.rest.first_chunk() {
            Some(chunk) if len <= N => {
                self.rest = &self.rest[len..];
                *chunk
            }
            _ => self.last_chunk(len),
        }
    }

    /// The same where fewer are left.
    #[cold]
    fn last_chunk<const N: usize>(&mut self, len: usize) -> [u8; N] {
        let mut chunk = [0; N];
        match (chunk.get_mut(..len), self.rest.split_at_checked(len)) {
            (Some(own), Some((raw, rest))) => {
                own.copy_from_slice(raw);
                self.rest = rest;
            }
            _ => self.spoil(),
        }
        chunk
    }

    #[inline(always)]
    pub fn u8(&mut self) -> u8 {
        let [byte] = self.chunk(1);
        byte
    }

    #[inline(always)]
    pub fn uint(&mut self) -> u64 {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                u64::from(*byte)
            }
            rest => {
                let (uint, len) = long_uint(rest);
                if len > rest.len() {
                    self.spoil();
                } else {
                    self.rest = &rest[len..];
                }
                uint
            }
        }
    }

    #[inline]
    pub fn int(&mut self) -> i64 {
        let uint = self.uint();
        (uint >> 1) as i64 ^ -((uint & 1) as i64)
    }

    #[inline(always)]
    pub fn int48(&mut self) -> i64 {
        let word: [u8; 8] = self.chunk(6);
        let up = i64::from_le_bytes(word) & ((1 << 48) - 1);
        if up == INT48_OTHER {
            return i64::from_le_bytes(self.chunk(8));
        }
        up - INT48_ZERO
    }

    /// Six bytes, the highest first.
    #[inline(always)]
    pub fn uint48_be(&mut self) -> u64 {
        u64::from_be_bytes(self.chunk(6)) >> 16
    }

    #[inline]
    pub fn raw(&mut self, len: usize) -> &'a [u8] {
        match self.rest.split_at_checked(len) {
            Some((raw, rest)) => {
                self.rest = rest;
                raw
            }
            None => {
                self.spoil();
                &[]
            }
        }
    }

    /// Puts the next `len` bytes into `bytes`, and behind them anything.
    #[inline(always)]
    pub fn raw_into<const N: usize>(&mut self, bytes: &mut [u8; N], len: usize) {
        *bytes = self.chunk(len);
    }

    #[inline]
    pub fn blob(&mut self) -> &'a [u8] {
        let len = self.uint();
        self.raw(len as usize)
    }

    /// A count; never more than the bytes that are left.
    #[inline]
    pub fn count(&mut self) -> Result<usize, Corrupt> {
        let len = self.uint() as usize;
        if len > self.rest.len() {
            return Err(Corrupt("a length points past the end"));
        }
        Ok(len)
    }
}

/// A number that is not one byte, and its length; one that never ends is longer than all there is.
#[inline(never)]
fn long_uint(bytes: &[u8]) -> (u64, usize) {
    let short = bytes.first_chunk().and_then(|word| of_sevens(u64::from_le_bytes(*word)));
    short.unwrap_or_else(|| longest_uint(bytes))
}

#[cold]
fn longest_uint(bytes: &[u8]) -> (u64, usize) {
    let mut input = Reader::new(bytes);
    match input.uint() {
        Ok(uint) => (uint, bytes.len() - input.left().len()),
        Err(_) => (0, usize::MAX),
    }
}

impl Room<'_> {
    #[inline(always)]
    pub fn u8(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    /// The first `len` of these bytes.
    #[inline(always)]
    pub fn raw_of<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.bytes[self.at..self.at + N].copy_from_slice(bytes);
        self.at += len.min(N);
    }

    #[inline(always)]
    pub fn uint(&mut self, uint: u64) {
        match uint {
            0..0x80 => self.u8(uint as u8),
            0x80..0x100_0000_0000_0000 => {
                self.raw_of(&to_sevens(uint).to_le_bytes(), uint_len(uint));
            }
            _ => self.longest_uint(uint),
        }
    }

    #[cold]
    fn longest_uint(&mut self, mut uint: u64) {
        while uint >= 0x80 {
            self.u8(uint as u8 | 0x80);
            uint >>= 7;
        }
        self.u8(uint as u8);
    }

    #[inline]
    pub fn int(&mut self, int: i64) {
        self.uint(((int << 1) ^ (int >> 63)) as u64);
    }

    #[inline(always)]
    pub fn int48(&mut self, int: i64) {
        match int.checked_add(INT48_ZERO) {
            Some(up @ 0..INT48_OTHER) => self.raw_of(&up.to_le_bytes(), 6),
            _ => self.other_int48(int),
        }
    }

    #[cold]
    fn other_int48(&mut self, int: i64) {
        self.raw_of(&INT48_OTHER.to_le_bytes(), 6);
        self.raw_of(&int.to_le_bytes(), 8);
    }
}

impl Writer {
    /// Writes fields of [`ROOM`] bytes at most.
    #[inline]
    pub fn fields(&mut self, write: impl FnOnce(&mut Room<'_>)) {
        let bytes = self.room(ROOM).first_chunk_mut().expect("as much as was asked for");
        let mut room = Room { bytes, at: 0 };
        write(&mut room);
        let len = room.at;
        self.take_in(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_bytes_that_they_have_elsewhere() {
        let uints = (0..64).map(|bit| 0x9e37_79b9_7f4a_7c15_u64 >> bit).chain([0, 127, 128]);
        for uint in uints {
            let (mut out, mut want) = (Writer::onto(vec![7]), Writer::onto(vec![7]));
            let int = uint as i64;
            out.fields(|out| {
                out.u8(9);
                out.uint(uint);
                out.int(int);
                out.int48(int);
                out.raw_of(b"abcd", 3);
            });
            want.u8(9);
            want.uint(uint);
            want.int(int);
            want.int48(int);
            want.raw(b"abc");
            assert_eq!(out.as_bytes(), want.as_bytes());
            let bytes = &want.as_bytes()[1..];
            for len in 0..=bytes.len() {
                let mut fields = Fields::new(&bytes[..len]);
                let read = (fields.u8(), fields.uint(), fields.int(), fields.int48());
                let mut text = [0; 9];
                fields.raw_into(&mut text, 3);
                assert_eq!(fields.end().is_ok(), len == bytes.len());
                if fields.end().is_ok() {
                    assert_eq!((read, &text[..3]), ((9, uint, int, int), &b"abc"[..]));
                }
            }
        }
    }

    #[test]
    fn what_points_past_the_end_is_not_read() {
        assert!(Fields::new(&[5, 1]).count().is_err());
        let mut fields = Fields::new(&[5, 1]);
        assert_eq!((fields.blob(), fields.u8()), (&[][..], 0));
        assert!(fields.end().is_err());
        let mut fields = Fields::new(&[0xff; 11]);
        fields.uint();
        assert!(fields.end().is_err());
        let mut fields = Fields::new(&[1; 20]);
        fields.raw_into(&mut [0; 8], 9);
        assert!(fields.end().is_err(), "more than there is room for");
    }
}
