//! The byte form's building blocks: variable-length integers (LEB128, zigzag for signed), texts
//! with their length before them, fixed-width big-endian where order matters. Every stored record
//! is written with these, so its bytes never depend on a library's mind.

/// What was read is not what was written; says what was wrong. The caller knows where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Corrupt {}

/// Kept true: what is written lies before `len`; behind it is room, so that a number is put there
/// in one piece.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    len: usize,
}

/// So much room is made beyond what is asked for.
const ROOM: usize = 64;
/// What a byte of a number holds, in eight of them.
const SEVENS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// What stands for 0 in six bytes, and what says that the number does not fit into them.
pub(crate) const INT48_ZERO: i64 = 1 << 46;
pub(crate) const INT48_OTHER: i64 = (1 << 48) - 1;

/// How many bytes [`Writer::uint`] takes for it.
#[inline]
pub fn uint_len(uint: u64) -> usize {
    // A seventh of the bits, rounded up.
    ((u64::BITS - (uint | 1).leading_zeros()) as usize * 9 + 64) / 64
}

/// The bytes of a number below 2^56: seven bits in each, the lowest first; all but the last have
/// the highest bit set.
#[inline(always)]
pub(crate) fn to_sevens(uint: u64) -> u64 {
    let apart = (uint & 0x0fff_ffff) | (uint & 0x00ff_ffff_f000_0000) << 4;
    let apart = (apart & 0x3fff_0000_3fff) | (apart & 0x0fff_c000_0fff_c000) << 2;
    let apart = (apart & 0x007f_007f_007f_007f) | (apart & 0x3f80_3f80_3f80_3f80) << 1;
    apart | !SEVENS & ((1 << (8 * (uint_len(uint) - 1))) - 1)
}

/// The number that begins with these bytes, and how many it takes, if it ends with them.
#[inline(always)]
pub(crate) fn of_sevens(word: u64) -> Option<(u64, usize)> {
    let ends = !word & !SEVENS;
    if ends == 0 {
        return None;
    }
    // All bits up to the first one that ends a number.
    let own = word & (ends ^ (ends - 1)) & SEVENS;
    let own = (own & 0x007f_007f_007f_007f) | (own & 0x7f00_7f00_7f00_7f00) >> 1;
    let own = (own & 0x3fff_0000_3fff) | (own & 0x3fff_0000_3fff_0000) >> 2;
    let own = (own & 0x0fff_ffff) | (own & 0x0fff_ffff_0000_0000) >> 4;
    Some((own, ends.trailing_zeros() as usize / 8 + 1))
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Writes on into `bytes`, so that a caller can reuse one allocation.
    pub fn onto(bytes: Vec<u8>) -> Writer {
        Writer { len: bytes.len(), bytes }
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The next `len` bytes, to be written.
    #[inline]
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < len {
            self.grow(len);
        }
        &mut self.bytes[self.len..self.len + len]
    }

    /// So much of the room was written.
    #[inline]
    pub(crate) fn take_in(&mut self, len: usize) {
        self.len += len;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) {
        let (end, capacity) = (self.len + len, self.bytes.capacity());
        let more = if end <= capacity { capacity.min(end + 4 * ROOM) } else { end + ROOM };
        self.bytes.resize(more, 0);
    }

    #[inline]
    pub fn u8(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.len += 1;
    }

    #[inline]
    pub fn uint(&mut self, uint: u64) {
        if uint < 0x80 {
            self.u8(uint as u8);
        } else {
            self.long_uint(uint);
        }
    }

    fn long_uint(&mut self, mut uint: u64) {
        if uint < 1 << 56 {
            self.room(8).copy_from_slice(&to_sevens(uint).to_le_bytes());
            self.len += uint_len(uint);
            return;
        }
        while uint >= 0x80 {
            self.u8(uint as u8 | 0x80);
            uint >>= 7;
        }
        self.u8(uint as u8);
    }

    /// A number near zero or a time, of -2^46 to 2^47: six bytes, any other fourteen.
    #[inline(always)]
    pub fn int48(&mut self, int: i64) {
        match int.checked_add(INT48_ZERO) {
            Some(up @ 0..INT48_OTHER) => {
                self.room(8).copy_from_slice(&up.to_le_bytes());
                self.len += 6;
            }
            _ => self.other_int48(int),
        }
    }

    #[cold]
    fn other_int48(&mut self, int: i64) {
        self.raw(&INT48_OTHER.to_le_bytes()[..6]);
        self.raw(&int.to_le_bytes());
    }

    #[inline]
    pub fn int(&mut self, int: i64) {
        self.uint(((int << 1) ^ (int >> 63)) as u64);
    }

    pub fn f64(&mut self, float: f64) {
        self.raw(&float.to_bits().to_le_bytes());
    }

    pub fn u64_be(&mut self, uint: u64) {
        self.raw(&uint.to_be_bytes());
    }

    pub fn bool(&mut self, bool: bool) {
        self.u8(bool as u8);
    }

    pub fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    pub fn blob(&mut self, blob: &[u8]) {
        self.uint(blob.len() as u64);
        self.raw(blob);
    }

    /// Without its length: for fields of fixed width and for what comes last.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The first `len` of these bytes, as `raw` writes them: of a small array all are copied, which
    /// is faster than to look at how many.
    #[inline]
    pub fn raw_of<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.room(N).copy_from_slice(bytes);
        self.len += len.min(N);
    }

    /// What `write` writes, with its length before it.
    pub fn blob_of(&mut self, write: impl FnOnce(&mut Writer)) {
        let at = self.len;
        self.u8(0);
        write(self);
        let len = self.len - at - 1;
        if len < 0x80 {
            self.bytes[at] = len as u8;
            return;
        }
        let end = self.len;
        self.uint(len as u64);
        // The length was written behind; it goes to its place.
        let width = self.len - end;
        let length: [u8; 8] = {
            let mut length = [0; 8];
            length[..width].copy_from_slice(&self.bytes[end..self.len]);
            length
        };
        self.bytes.copy_within(at + 1..end, at + width);
        self.bytes[at..at + width].copy_from_slice(&length[..width]);
        self.len = end + width - 1;
    }

    pub fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.bool(option.is_some());
        if let Some(value) = option {
            write(self, value);
        }
    }

    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Writer, T),
    ) {
        self.uint(items.len() as u64);
        items.for_each(|item| write(self, item));
    }
}

pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is not read yet, without reading it.
    pub fn left(&self) -> &'a [u8] {
        self.rest
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    #[inline]
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(Corrupt("the record ends too early"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        Ok(self.raw(N)?.try_into().expect("raw gives as many bytes as asked"))
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, Corrupt> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(Corrupt("the record ends too early"));
        };
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    pub fn uint(&mut self) -> Result<u64, Corrupt> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_uint(),
        }
    }

    fn long_uint(&mut self) -> Result<u64, Corrupt> {
        if let Some(word) = self.rest.first_chunk()
            && let Some((uint, len)) = of_sevens(u64::from_le_bytes(*word))
        {
            self.rest = &self.rest[len..];
            return Ok(uint);
        }
        let (mut uint, mut shift) = (0, 0);
        loop {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Corrupt("a number is longer than 64 bits"));
            }
            uint |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(uint);
            }
            shift += 7;
        }
    }

    #[inline]
    pub fn int(&mut self) -> Result<i64, Corrupt> {
        let uint = self.uint()?;
        Ok((uint >> 1) as i64 ^ -((uint & 1) as i64))
    }

    #[inline]
    pub fn int48(&mut self) -> Result<i64, Corrupt> {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&self.array::<6>()?);
        match i64::from_le_bytes(bytes) {
            INT48_OTHER => Ok(i64::from_le_bytes(self.array()?)),
            up => Ok(up - INT48_ZERO),
        }
    }

    /// A count or length; never more than the bytes that are left, so it can size an allocation.
    #[inline]
    pub fn len(&mut self) -> Result<usize, Corrupt> {
        let len = self.uint()?;
        if len > self.rest.len() as u64 {
            return Err(Corrupt("a length points past the end"));
        }
        Ok(len as usize)
    }

    pub fn f64(&mut self) -> Result<f64, Corrupt> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    pub fn u64_be(&mut self) -> Result<u64, Corrupt> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn bool(&mut self) -> Result<bool, Corrupt> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt("a yes-or-no is neither 0 nor 1")),
        }
    }

    pub fn text(&mut self) -> Result<&'a str, Corrupt> {
        let len = self.len()?;
        self.text_of(len)
    }

    /// A text whose length is known otherwise.
    pub fn text_of(&mut self, len: usize) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.raw(len)?).map_err(|_| Corrupt("a text is not UTF-8"))
    }

    #[inline]
    pub fn blob(&mut self) -> Result<&'a [u8], Corrupt> {
        let len = self.len()?;
        self.raw(len)
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Corrupt>,
    ) -> Result<Option<T>, Corrupt> {
        Ok(if self.bool()? { Some(read(self)?) } else { None })
    }

    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Corrupt>,
    ) -> Result<Vec<T>, Corrupt> {
        let len = self.len()?;
        let mut items = Vec::with_capacity(len.min(1024));
        for _ in 0..len {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A list in place of what is in `items`, into the memory that they have.
    pub fn list_into<T>(
        &mut self,
        items: &mut Vec<T>,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Corrupt>,
    ) -> Result<(), Corrupt> {
        items.clear();
        for _ in 0..self.len()? {
            items.push(read(self)?);
        }
        Ok(())
    }
}

/// Keys and values that belong together, one behind the other in pieces of memory, so that little
/// moves while they grow: what a checkpoint writes. The last change to a key counts.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pieces: Vec<Vec<u8>>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    piece: u32,
    at: u32,
    key_len: u32,
    /// `DELETED` to delete the key.
    value_len: u32,
}

const DELETED: u32 = u32::MAX;

/// A piece takes no more rows when less than a quarter of it is free.
const PIECE_BYTES: usize = 1 << 20;

/// Longest key of a row, in bytes.
pub const ROW_KEY_BYTES_MAX: usize = u16::MAX as usize;

impl Rows {
    pub fn new() -> Rows {
        Rows::default()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What they take in memory.
    pub fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Vec::len).sum();
        pieces + self.rows.len() * size_of::<Row>()
    }

    /// # Panics
    /// When the key is empty or longer than `ROW_KEY_BYTES_MAX`.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.put_with(|out| out.raw(key.as_ref()), |out| out.raw(value.as_ref()));
    }

    /// Key and value are written straight to where they stay.
    pub fn put_with(&mut self, key: impl FnOnce(&mut Writer), value: impl FnOnce(&mut Writer)) {
        if self.pieces.last().is_none_or(|piece| piece.len() > PIECE_BYTES / 4 * 3) {
            // Few rows take little.
            let first = self.pieces.is_empty();
            self.pieces.push(Vec::with_capacity(if first { 0 } else { PIECE_BYTES }));
        }
        let number = self.pieces.len() - 1;
        let piece = &mut self.pieces[number];
        let at = piece.len();
        let mut out = Writer::onto(std::mem::take(piece));
        key(&mut out);
        let between = out.as_bytes().len();
        value(&mut out);
        *piece = out.into_bytes();
        let (key_len, value_len) = (between - at, piece.len() - between);
        assert!((1..=ROW_KEY_BYTES_MAX).contains(&key_len), "key of {key_len} bytes");
        let fits = |length: usize| u32::try_from(length).expect("a record is far below 4 GiB");
        self.rows.push(Row {
            piece: fits(number),
            at: fits(at),
            key_len: fits(key_len),
            value_len: fits(value_len),
        });
    }

    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        self.delete_with(|out| out.raw(key.as_ref()));
    }

    pub fn delete_with(&mut self, key: impl FnOnce(&mut Writer)) {
        self.put_with(key, |_| {});
        self.rows.last_mut().expect("just put there").value_len = DELETED;
    }

    pub fn append(&mut self, other: &mut Rows) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let base = self.pieces.len() as u32;
        self.pieces.append(&mut other.pieces);
        let moved = |row: Row| Row { piece: row.piece + base, ..row };
        self.rows.extend(other.rows.drain(..).map(moved));
    }

    /// Key and value in the order in which they were put; `None` to delete the key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.rows.iter().map(|row| self.row(row))
    }

    fn row(&self, row: &Row) -> (&[u8], Option<&[u8]>) {
        let bytes = &self.pieces[row.piece as usize][row.at as usize..];
        let (key, rest) = bytes.split_at(row.key_len as usize);
        let value = (row.value_len != DELETED).then(|| &rest[..row.value_len as usize]);
        (key, value)
    }

    /// By key, one for each.
    pub fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        // Most keys differ within their first bytes, which are compared without going to them.
        let mut order: Vec<(u128, u32)> = (0..self.rows.len() as u32)
            .map(|number| (first_bytes(self.row(&self.rows[number as usize]).0), number))
            .collect();
        let key = |number: u32| self.row(&self.rows[number as usize]).0;
        order.sort_unstable_by(|a, b| {
            let by_rest = || key(a.1).cmp(key(b.1)).then(b.1.cmp(&a.1));
            a.0.cmp(&b.0).then_with(by_rest)
        });
        // Of equal keys the one that was put last stands first.
        order.dedup_by(|later, first| later.0 == first.0 && key(later.1) == key(first.1));
        order.into_iter().map(|(_, number)| self.row(&self.rows[number as usize]))
    }
}

/// Sorts as the key does, as far as it goes.
fn first_bytes(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let len = key.len().min(16);
    first[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        let powers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1_u64]);
        let uints: Vec<u64> = powers.chain([300, 0x0102_0304_0506_0708, u64::MAX]).collect();
        let ints = [0, -1, 1, i64::MIN, i64::MAX, -300];
        let mut out = Writer::new();
        uints.iter().for_each(|uint| out.uint(*uint));
        ints.iter().for_each(|int| out.int(*int));
        let bytes = out.into_bytes();
        let mut input = Reader::new(&bytes);
        uints.iter().for_each(|uint| assert_eq!(input.uint(), Ok(*uint)));
        ints.iter().for_each(|int| assert_eq!(input.int(), Ok(*int)));
        assert!(input.is_empty());
    }

    #[test]
    fn any_number_comes_back_from_six_bytes_or_more() {
        let ends = [-INT48_ZERO, INT48_OTHER - INT48_ZERO];
        let near = ends.into_iter().flat_map(|end| end - 2..end + 3);
        for int in near.chain([0, -1, 1_767_258_000_000, i64::MIN, i64::MAX]) {
            let mut out = Writer::new();
            out.int48(int);
            assert!(matches!(out.as_bytes().len(), 6 | 14));
            let mut input = Reader::new(out.as_bytes());
            assert_eq!(input.int48(), Ok(int));
            assert!(input.is_empty());
        }
    }

    /// Byte by byte, as LEB128 says it.
    #[test]
    fn numbers_have_the_bytes_that_they_always_had() {
        for bit in 0..64 {
            let number = 0x9e37_79b9_7f4a_7c15 >> bit;
            let (mut want, mut rest) = (Vec::new(), number);
            while rest >= 0x80 {
                want.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            want.push(rest as u8);
            let mut out = Writer::new();
            out.uint(number);
            assert_eq!(out.as_bytes(), want);
            assert_eq!(Reader::new(&want).uint(), Ok(number));
            assert!(Reader::new(&want[..want.len() - 1]).uint().is_err());
            want.extend([0xff; 9]);
            assert_eq!(Reader::new(&want).uint(), Ok(number));
        }
    }

    #[test]
    fn a_blob_has_its_length_before_it_however_long() {
        for len in [0, 1, 127, 128, 16_383, 16_384] {
            let (mut out, mut want) = (Writer::onto(vec![7]), Writer::onto(vec![7]));
            out.blob_of(|out| out.raw(&vec![9; len]));
            want.blob(&vec![9; len]);
            out.u8(1);
            want.u8(1);
            assert!(out.as_bytes() == want.as_bytes(), "{len}");
        }
    }

    #[test]
    fn rows_are_sorted_and_the_last_change_counts() {
        let mut rows = Rows::new();
        rows.put(b"b", b"1");
        rows.put(b"a long key that begins like another", b"2");
        rows.put(b"a long key that begins", b"3");
        rows.put(b"b", b"");
        let mut more = Rows::new();
        more.put(b"a", b"4");
        more.delete(b"a long key that begins");
        rows.append(&mut more);
        let sorted: Vec<_> = rows.sorted().collect();
        let want: [(&[u8], Option<&[u8]>); 4] = [
            (b"a", Some(b"4")),
            (b"a long key that begins", None),
            (b"a long key that begins like another", Some(b"2")),
            (b"b", Some(b"")),
        ];
        assert_eq!(sorted, want);
        assert_eq!((rows.len(), rows.iter().count()), (6, 6));
    }

    #[test]
    fn a_number_that_never_ends_is_refused() {
        assert!(Reader::new(&[0xff; 11]).uint().is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).uint().is_err()
        );
    }

    #[test]
    fn a_length_cannot_ask_for_more_than_there_is() {
        let mut out = Writer::new();
        out.uint(1 << 40);
        assert!(Reader::new(out.as_bytes()).len().is_err());
    }
}
