//! Whether an image file is whole, which decoders that show what they can do not tell.

use flate2::Crc;

use super::error::Fault;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8";

/// Checks a PNG or JPEG file to its end; returns where the pixels begin.
pub(super) fn check(bytes: &[u8]) -> Result<usize, Fault> {
    if bytes.starts_with(PNG) {
        check_png(bytes)
    } else if bytes.starts_with(JPEG) {
        check_jpeg(bytes)
    } else {
        fault(0, "expected a PNG or JPEG image")
    }
}

fn fault<T>(offset: usize, expected: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { offset, expected: expected.into() })
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Chunks of length, type, data and check sum, the last of them IEND.
fn check_png(bytes: &[u8]) -> Result<usize, Fault> {
    let (mut at, mut pixels) = (PNG.len(), None);
    loop {
        let Some(head) = bytes.get(at..at + 8) else {
            return fault(bytes.len(), "expected a further chunk: the PNG file is cut");
        };
        let end = at + 8 + big_endian(&head[..4]);
        let Some(sum) = bytes.get(end..end + 4) else {
            return fault(bytes.len(), format!("expected {} bytes of the chunk at byte {at}: the PNG file is cut", end + 4 - at));
        };
        let mut crc = Crc::new();
        crc.update(&bytes[at + 4..end]);
        if crc.sum() as usize != big_endian(sum) {
            return fault(at, "expected the chunk to match its check sum");
        }
        match &head[4..] {
            b"IDAT" => pixels = pixels.or(Some(at)),
            b"IEND" => return pixels.map_or_else(|| fault(at, "expected pixels (IDAT) before the end"), Ok),
            _ => {}
        }
        at = end + 4;
    }
}

/// Segments of marker and length, scans between them, and the marker of the end.
fn check_jpeg(bytes: &[u8]) -> Result<usize, Fault> {
    let cut = || fault(bytes.len(), "expected the marker of the end (FF D9): the JPEG file is cut");
    let (mut at, mut pixels) = (JPEG.len(), None);
    loop {
        // In a scan a byte FF stands before 0 or a restart; before FF it only fills.
        let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7);
        let Some(skipped) = bytes[at..].windows(2).position(is_marker) else { return cut() };
        at += skipped;
        match bytes[at + 1] {
            0xd9 => return pixels.map_or_else(|| fault(at, "expected a scan before the end"), Ok),
            0x01 | 0xd8 => at += 2,
            marker => {
                let Some(length) = bytes.get(at + 2..at + 4).map(big_endian) else { return cut() };
                if length < 2 || at + 2 + length > bytes.len() {
                    return fault(at + 2, format!("expected a segment that ends within the file, found a length of {length}"));
                }
                if marker == 0xda {
                    pixels = pixels.or(Some(at));
                }
                at += 2 + length;
            }
        }
    }
}
