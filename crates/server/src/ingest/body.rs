//! A request's body as plain bytes, whatever it was packed in. The header is believed only as far
//! as the first bytes agree: one SDK labels gzip as a form, proxies unpack and leave the label.
//!
//! Kept true: no more than `BODY_BYTES_INFLATED` bytes are ever produced, however small the input.

use std::borrow::Cow;
use std::io::Read;

use model::limits;

use super::Problem;

/// A zstd frame may ask for a window of this size; more would be memory for nothing.
const ZSTD_WINDOW_MAX: u64 = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    Deflate,
}

/// Unpacks `bytes`, which came with this `Content-Encoding`. Plain bodies are not copied.
pub fn unpack<'a>(bytes: &'a [u8], encoding: Option<&str>) -> Result<Cow<'a, [u8]>, Problem> {
    if bytes.len() > limits::BODY_BYTES {
        return Err(too_large(bytes.len()));
    }
    match packing(bytes, encoding)? {
        Packing::Plain => Ok(Cow::Borrowed(bytes)),
        Packing::Gzip => drain(flate2::read::MultiGzDecoder::new(bytes), "gzip").map(Cow::Owned),
        Packing::Zstd => unpack_zstd(bytes).map(Cow::Owned),
        // The header means zlib, but some senders leave its two bytes out.
        Packing::Deflate if has_zlib_header(bytes) => {
            drain(flate2::read::ZlibDecoder::new(bytes), "deflate").map(Cow::Owned)
        }
        Packing::Deflate => {
            drain(flate2::read::DeflateDecoder::new(bytes), "deflate").map(Cow::Owned)
        }
    }
}

fn packing(bytes: &[u8], encoding: Option<&str>) -> Result<Packing, Problem> {
    if bytes.starts_with(&[0x1f, 0x8b, 8]) {
        return Ok(Packing::Gzip);
    }
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Packing::Zstd);
    }
    let encoding = encoding.unwrap_or("").trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(Packing::Plain),
        // Not packed any more, or never was: the reader of the text says what is wrong with it.
        "gzip" | "x-gzip" | "zstd" => Ok(Packing::Plain),
        "deflate" if looks_like_text(bytes) => Ok(Packing::Plain),
        "deflate" => Ok(Packing::Deflate),
        _ => Err(Problem::new(
            415,
            "encoding_unknown",
            "the Content-Encoding is not one that is understood here",
            "send the body plain, or packed with gzip, zstd or deflate",
        )),
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, None | Some(b'{' | b'['))
}

fn has_zlib_header(bytes: &[u8]) -> bool {
    match bytes {
        [first, second, ..] => {
            first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31)
        }
        _ => false,
    }
}

/// A file of several zstd frames, one after the other, is one body.
fn unpack_zstd(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut rest = bytes;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(
            &mut rest,
            ZSTD_WINDOW_MAX,
        );
        let decoder = decoder.map_err(|_| broken("zstd"))?;
        drain_onto(&mut out, decoder, "zstd")?;
    }
    Ok(out)
}

fn drain(reader: impl Read, name: &'static str) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    drain_onto(&mut out, reader, name)?;
    Ok(out)
}

fn drain_onto(out: &mut Vec<u8>, reader: impl Read, name: &'static str) -> Result<(), Problem> {
    let room = limits::BODY_BYTES_INFLATED - out.len();
    let mut reader = reader.take(room as u64 + 1);
    reader.read_to_end(out).map_err(|_| broken(name))?;
    if out.len() > limits::BODY_BYTES_INFLATED {
        return Err(unpacks_too_large());
    }
    Ok(())
}

/// The body came with this many bytes.
pub fn too_large(found: usize) -> Problem {
    let detail = format!("the body has {found} bytes, {} are allowed", limits::BODY_BYTES);
    Problem::new(413, "body_too_large", detail, "send it in several smaller requests")
}

fn unpacks_too_large() -> Problem {
    let detail = format!("the body unpacks to more than {} bytes", limits::BODY_BYTES_INFLATED);
    Problem::new(413, "body_too_large", detail, "send it in several smaller requests")
}

fn broken(name: &'static str) -> Problem {
    Problem::new(
        400,
        "encoding_broken",
        format!("the body is not complete {name} data"),
        "pack it again, or send it plain without Content-Encoding",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &[u8] = br#"{"batch":[{"type":"track","event":"Hello"}]}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn every_packing_unpacks_whatever_the_label_says() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(TEXT).unwrap();
        let cases = [
            (TEXT.to_vec(), None),
            (TEXT.to_vec(), Some("identity")),
            (TEXT.to_vec(), Some("gzip")),
            (TEXT.to_vec(), Some("deflate")),
            (gzip(TEXT), Some("gzip")),
            (gzip(TEXT), Some(" GZIP ")),
            (gzip(TEXT), None),
            (zstd(TEXT), Some("zstd")),
            (zstd(TEXT), None),
            (zlib.finish().unwrap(), Some("deflate")),
            (raw.finish().unwrap(), Some("deflate")),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(&*unpack(&bytes, encoding).unwrap(), TEXT, "{encoding:?}");
        }
    }

    #[test]
    fn several_members_are_one_body() {
        let (half, rest) = TEXT.split_at(9);
        assert_eq!(&*unpack(&[gzip(half), gzip(rest)].concat(), None).unwrap(), TEXT);
        assert_eq!(&*unpack(&[zstd(half), zstd(rest)].concat(), None).unwrap(), TEXT);
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let zeros = vec![0; limits::BODY_BYTES_INFLATED + 1];
        for bomb in [gzip(&zeros), zstd(&zeros)] {
            assert!(bomb.len() < limits::BODY_BYTES);
            let problem = unpack(&bomb, None).unwrap_err();
            assert_eq!((problem.status, problem.code), (413, "body_too_large"));
        }
        let fits = gzip(&zeros[1..]);
        assert_eq!(unpack(&fits, None).unwrap().len(), limits::BODY_BYTES_INFLATED);
    }

    #[test]
    fn too_long_cut_and_unknown_bodies_are_refused() {
        let long = vec![b' '; limits::BODY_BYTES + 1];
        assert_eq!(unpack(&long, None).unwrap_err().status, 413);
        assert_eq!(unpack(&long[1..], None).unwrap().len(), limits::BODY_BYTES);
        for packed in [gzip(TEXT), zstd(TEXT)] {
            for len in 4..packed.len() {
                let problem = unpack(&packed[..len], None).unwrap_err();
                assert_eq!((problem.status, problem.code), (400, "encoding_broken"), "{len}");
            }
        }
        assert_eq!(unpack(TEXT, Some("br")).unwrap_err().status, 415);
    }
}
