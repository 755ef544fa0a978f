//! QR codes of links: as SVG for pages and print, as PNG for mail and labels, as text for the
//! terminal. All three show the same modules with the quiet zone of four that readers need.
//!
//! The encoder is the `qrcode` crate; drawing is here, because an SVG of one path and a PNG of one
//! bit per pixel are a few lines and much smaller than what a picture library makes.

use std::fmt;
use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules on each side (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// The largest side of one module in a PNG, in pixels.
pub const MODULE_PX_MAX: usize = 64;

/// The text does not fit into the largest QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrTooLong {
    pub bytes: usize,
}

impl fmt::Display for QrTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are too many for a QR code; shorten the link", self.bytes)
    }
}

impl std::error::Error for QrTooLong {}

/// The modules of a code with its quiet zone, row by row; true is dark.
struct Modules {
    side: usize,
    dark: Vec<bool>,
}

impl Modules {
    /// With a quarter of damage survivable (level Q) for what goes on products, less when the text
    /// is too long for that.
    fn of(text: &str) -> Result<Modules, QrTooLong> {
        let levels = [EcLevel::Q, EcLevel::M, EcLevel::L];
        let encode = |level| QrCode::with_error_correction_level(text, level).ok();
        let Some(code) = levels.into_iter().find_map(encode) else {
            return Err(QrTooLong { bytes: text.len() });
        };
        let width = code.width();
        let side = width + 2 * QUIET_ZONE;
        let mut dark = vec![false; side * side];
        for (index, color) in code.to_colors().into_iter().enumerate() {
            let (x, y) = (index % width + QUIET_ZONE, index / width + QUIET_ZONE);
            dark[y * side + x] = color == Color::Dark;
        }
        Ok(Modules { side, dark })
    }

    /// Below the last row everything is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        self.dark.get(y * self.side + x).copied().unwrap_or(false)
    }
}

/// An SVG that scales to any size, black on white in dark mode too. `title` is what a screen reader
/// says, so it should name what the code leads to, in the person's language.
pub fn qr_svg(text: &str, title: &str) -> Result<String, QrTooLong> {
    let modules = Modules::of(text)?;
    let side = modules.side;
    let mut path = String::new();
    for y in 0..side {
        let mut x = 0;
        while x < side {
            let run = (x..side).take_while(|x| modules.is_dark(*x, y)).count();
            if run > 0 {
                write!(path, "M{x} {y}h{run}v1h-{run}z").expect("a String takes everything");
            }
            x += run.max(1);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><title>{}</title>\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>",
        escape_xml(title)
    ))
}

/// Takes the characters away that XML does not allow at all, and escapes those that mean something.
fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A PNG of one bit per pixel, each module a square of `module_px` pixels (1 to
/// [`MODULE_PX_MAX`]; more or less is taken as the nearest of these).
pub fn qr_png(text: &str, module_px: usize) -> Result<Vec<u8>, QrTooLong> {
    let modules = Modules::of(text)?;
    let module_px = module_px.clamp(1, MODULE_PX_MAX);
    let pixels = modules.side * module_px;
    let row_bytes = pixels.div_ceil(8);
    let mut rows = Vec::with_capacity(pixels * (row_bytes + 1));
    for y in 0..modules.side {
        // The first byte of a row names its filter: none.
        let mut row = vec![0_u8; row_bytes + 1];
        for x in (0..pixels).filter(|x| !modules.is_dark(x / module_px, y)) {
            row[1 + x / 8] |= 0x80 >> (x % 8);
        }
        for _ in 0..module_px {
            rows.extend_from_slice(&row);
        }
    }
    let side = u32::try_from(pixels).expect("at most 185 modules of 64 pixels").to_be_bytes();
    let mut header = Vec::with_capacity(13);
    header.extend_from_slice(&side);
    header.extend_from_slice(&side);
    // One bit, greyscale; the only compression and filter method there is; not interlaced.
    header.extend_from_slice(&[1, 0, 0, 0, 0]);

    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut out, b"IHDR", &header);
    push_chunk(&mut out, b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&rows, 6));
    push_chunk(&mut out, b"IEND", &[]);
    Ok(out)
}

fn push_chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    let len = u32::try_from(data.len()).expect("a picture of a QR code is small");
    out.extend_from_slice(&len.to_be_bytes());
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(data);
    let crc = crc32(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// The checksum of PNG chunks (ISO 3309), bit by bit: a table would not pay for so few bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}

/// Text for a terminal, two modules high per line. Black on white is set with escape sequences,
/// because many phones do not read the light-on-dark code that a dark terminal would make of it.
pub fn qr_terminal(text: &str) -> Result<String, QrTooLong> {
    let modules = Modules::of(text)?;
    let mut out = String::new();
    for y in (0..modules.side).step_by(2) {
        out.push_str("\x1b[38;5;16m\x1b[48;5;231m");
        for x in 0..modules.side {
            out.push(match (modules.is_dark(x, y), modules.is_dark(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            });
        }
        out.push_str("\x1b[0m\n");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://id.example.com/01/09520123456788/21/SN-0001";

    /// Dark modules as `#`, the same picture from each form.
    fn picture(side: usize, dark: impl Fn(usize, usize) -> bool) -> Vec<String> {
        let row = |y| (0..side).map(|x| if dark(x, y) { '#' } else { '.' }).collect();
        (0..side).map(row).collect()
    }

    fn expected() -> Vec<String> {
        let modules = Modules::of(LINK).unwrap();
        picture(modules.side, |x, y| modules.is_dark(x, y))
    }

    #[test]
    fn codes_have_a_quiet_zone_and_three_finders() {
        let rows = expected();
        let side = rows.len();
        assert!(rows[..4].iter().chain(&rows[side - 4..]).all(|row| !row.contains('#')));
        assert!(rows.iter().all(|row| row.starts_with("....") && row.ends_with("....")));
        let finder = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"];
        for (offset, line) in finder.into_iter().enumerate() {
            assert_eq!(&rows[4 + offset][4..11], line);
            assert_eq!(&rows[4 + offset][side - 11..side - 4], line);
            assert_eq!(&rows[side - 11 + offset][4..11], line);
        }
    }

    #[test]
    fn svg_shows_the_modules_and_says_its_title() {
        let svg = qr_svg(LINK, "Printer <A> & \"B\"\u{0}").unwrap();
        assert!(svg.contains("role=\"img\"") && svg.contains("crispEdges"));
        assert!(svg.contains("<title>Printer &lt;A&gt; &amp; &quot;B&quot;</title>"), "{svg}");
        let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let side = expected().len();
        let mut dark = vec![false; side * side];
        for run in path.split_terminator('z') {
            let (x, rest) = run.strip_prefix('M').unwrap().split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let len: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            dark[y * side + x..][..len].fill(true);
        }
        assert_eq!(picture(side, |x, y| dark[y * side + x]), expected());
    }

    #[test]
    fn png_shows_the_modules() {
        for module_px in [1, 3, 8] {
            let png = qr_png(LINK, module_px).unwrap();
            let (chunks, pixels) = read_png(&png);
            assert_eq!(chunks, ["IHDR", "IDAT", "IEND"]);
            let side = expected().len();
            let width = side * module_px;
            assert_eq!(png[16..24], [(width as u32).to_be_bytes(); 2].concat());
            let row_bytes = width.div_ceil(8) + 1;
            assert_eq!(pixels.len(), width * row_bytes);
            let dark =
                |x: usize, y: usize| pixels[y * row_bytes + 1 + x / 8] << (x % 8) & 0x80 == 0;
            for (dx, dy) in [(0, 0), (module_px - 1, module_px - 1)] {
                let shown = picture(side, |x, y| dark(x * module_px + dx, y * module_px + dy));
                assert_eq!(shown, expected());
            }
        }
        assert_eq!(qr_png(LINK, 0), qr_png(LINK, 1));
        assert_eq!(qr_png(LINK, 1000), qr_png(LINK, MODULE_PX_MAX));
    }

    /// The names of the chunks, their checksums verified, and the inflated picture.
    fn read_png(png: &[u8]) -> (Vec<String>, Vec<u8>) {
        let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let (mut names, mut pixels) = (vec![], vec![]);
        while !rest.is_empty() {
            let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let crc = u32::from_be_bytes(rest[8 + len..12 + len].try_into().unwrap());
            assert_eq!(crc, crc32(&rest[4..8 + len]));
            names.push(String::from_utf8(rest[4..8].to_vec()).unwrap());
            if names.last().unwrap() == "IDAT" {
                let data = &rest[8..8 + len];
                pixels = miniz_oxide::inflate::decompress_to_vec_zlib(data).unwrap();
            }
            rest = &rest[12 + len..];
        }
        (names, pixels)
    }

    #[test]
    fn checksum_of_the_usual_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn terminal_shows_the_modules() {
        let text = qr_terminal(LINK).unwrap();
        let mut rows = Vec::new();
        for line in text.lines() {
            let line = line.strip_prefix("\x1b[38;5;16m\x1b[48;5;231m").unwrap();
            let line = line.strip_suffix("\x1b[0m").unwrap();
            let row = |dark: [char; 2]| -> String {
                line.chars().map(|c| if dark.contains(&c) { '#' } else { '.' }).collect()
            };
            rows.push(row(['▀', '█']));
            rows.push(row(['▄', '█']));
        }
        rows.truncate(expected().len());
        assert_eq!(rows, expected());
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(qr_svg(&"x".repeat(2953), "").is_ok());
        assert_eq!(qr_png(&"x".repeat(2954), 1), Err(QrTooLong { bytes: 2954 }));
        assert!(qr_terminal("").is_ok());
    }
}
