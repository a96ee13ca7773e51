//! The kdump-compressed format, which `crash` and `makedumpfile` read: each page of memory
//! compressed for itself, found by a table.
//!
//! Source: makedumpfile's IMPLEMENTATION document and `diskdump_mod.h`, header version 6; QEMU's
//! files for the same machine. In blocks of a page each:
//!
//! ```text
//! header | sub header, notes | bitmap of memory | bitmap of what is here | descriptors | pages
//! ```

use std::io::{self, Write};

use super::{PIECE, read_or_zero};
use crate::control::VmControl;
use crate::schema::DumpGuestMemoryFormat;

/// How pages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Zlib,
    Snappy,
}

/// How a file of this format is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    compression: Compression,
    /// Whether it is flattened: in chunks that say where they belong, for streams.
    flat: bool,
}

/// The formats that there are.
pub(super) const FORMS: &[(DumpGuestMemoryFormat, Form)] = {
    use DumpGuestMemoryFormat::{KdumpRawSnappy, KdumpRawZlib, KdumpSnappy, KdumpZlib};
    const fn form(compression: Compression, flat: bool) -> Form {
        Form { compression, flat }
    }
    &[
        (KdumpZlib, form(Compression::Zlib, true)),
        (KdumpRawZlib, form(Compression::Zlib, false)),
        (KdumpSnappy, form(Compression::Snappy, true)),
        (KdumpRawSnappy, form(Compression::Snappy, false)),
    ]
};

const SIGNATURE: &[u8; 8] = b"KDUMP   ";
const HEADER_VERSION: u32 = 6;
/// Bytes of `struct disk_dump_header` for 64-bit machines.
const HEADER: usize = 464;
/// Bytes of `struct kdump_sub_header` for 64-bit machines.
const SUB_HEADER: usize = 104;
/// Pages of zeros are there once only.
const DUMP_LEVEL: u32 = 1;
/// Bytes of `struct page_desc`.
const DESCRIPTOR: u64 = 24;
/// Bytes of the head of a flattened file.
const FLAT_HEADER: usize = 4096;

impl Compression {
    /// The flag of compressed pages, and of the file.
    fn flag(self) -> u32 {
        match self {
            Self::Zlib => 1,
            Self::Snappy => 4,
        }
    }

    /// The page compressed, if that makes it smaller.
    fn compress(self, page: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let packed = match self {
            Self::Zlib => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(page)?;
                encoder.finish()?
            }
            Self::Snappy => snap::raw::Encoder::new()
                .compress_vec(page)
                .map_err(io::Error::other)?,
        };
        Ok((packed.len() < page.len()).then_some(packed))
    }
}

/// What a dump is made of, apart from the memory itself.
pub(super) struct Source<'a> {
    /// Notes about each processor, as an ELF core file has them.
    pub(super) notes: &'a [u8],
    /// Where among them is what the guest's kernel says: first byte and number of bytes.
    pub(super) guest: Option<(usize, usize)>,
    /// How many processors.
    pub(super) cpus: usize,
    /// Memory: first address and number of bytes of each range, ascending.
    pub(super) ranges: &'a [(u64, u64)],
    /// Bytes of a page.
    pub(super) page: u64,
}

/// A page's place in memory: its address, and the parts of it that are memory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    at: u64,
    parts: Vec<(u64, u64)>,
}

/// Writes the memory of a dump, in two passes: pages are found by a table that comes before them.
pub(super) struct Writer {
    form: Form,
    page: u64,
    pages: Vec<Page>,
    /// The next page of this pass.
    next: usize,
    /// The table of the first pass; once it is written, `None`.
    table: Option<Vec<u8>>,
    /// Where the next page's data will be.
    data_at: u64,
    /// Where a page of zeros is.
    zeros_at: u64,
    /// Where in the file the next bytes go.
    at: u64,
}

/// What is written before the memory, and what writes the rest.
pub(super) fn start(form: Form, source: &Source<'_>, out: &mut dyn Write) -> io::Result<Writer> {
    let page = source.page;
    let pages = pages(source.ranges, page);
    let last = pages.last().map_or(0, |last| last.at / page + 1);
    let bitmap = last.div_ceil(8).next_multiple_of(page);
    let sub_blocks = (SUB_HEADER as u64 + source.notes.len() as u64).div_ceil(page);
    let table_at = (1 + sub_blocks) * page + 2 * bitmap;
    let zeros_at = table_at + pages.len() as u64 * DESCRIPTOR;
    let mut writer = Writer {
        form,
        page,
        pages,
        next: 0,
        table: Some(Vec::new()),
        data_at: zeros_at + page,
        zeros_at,
        at: 0,
    };
    if form.flat {
        out.write_all(&flat_header())?;
    }
    let mut head = header(form.compression, source, sub_blocks, bitmap, last);
    head.resize(block(page), 0);
    head.extend(sub_header(source, last));
    head.extend(source.notes);
    head.resize(block((1 + sub_blocks) * page), 0);
    writer.write(out, &head)?;
    let bits = writer.bitmap(bitmap);
    writer.write(out, &bits)?;
    writer.write(out, &bits)?;
    Ok(writer)
}

/// A size in memory of what is as large as a few pages.
fn block(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The pages that the ranges touch, ascending.
fn pages(ranges: &[(u64, u64)], page: u64) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for &(base, len) in ranges {
        let end = base.saturating_add(len);
        let mut from = base;
        while from < end {
            let at = from - from % page;
            let to = at.saturating_add(page).min(end);
            match pages.last_mut().filter(|last| last.at == at) {
                Some(last) => last.parts.push((from, to - from)),
                None => pages.push(Page {
                    at,
                    parts: vec![(from, to - from)],
                }),
            }
            from = to;
        }
    }
    pages
}

fn flat_header() -> Vec<u8> {
    let mut out = b"makedumpfile\0\0\0\0".to_vec();
    // Type and version.
    out.extend(1_i64.to_be_bytes());
    out.extend(1_i64.to_be_bytes());
    out.resize(FLAT_HEADER, 0);
    out
}

/// `struct disk_dump_header`
fn header(
    compression: Compression,
    source: &Source<'_>,
    sub_blocks: u64,
    bitmap: u64,
    last: u64,
) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, SIGNATURE);
    put(8, &HEADER_VERSION.to_le_bytes());
    // The fifth text of 65 bytes of `struct new_utsname`: the machine.
    put(12 + 4 * 65, b"aarch64");
    let words = [
        compression.flag(),
        // All of these are counts of pages or blocks of a machine with less than 2^44 bytes.
        source.page as u32,
        sub_blocks as u32,
        (2 * bitmap / source.page) as u32,
        u32::try_from(last).unwrap_or(u32::MAX),
    ];
    for (n, word) in words.iter().enumerate() {
        put(424 + 4 * n, &word.to_le_bytes());
    }
    put(460, &(source.cpus as u32).to_le_bytes());
    out
}

/// `struct kdump_sub_header`
fn sub_header(source: &Source<'_>, last: u64) -> Vec<u8> {
    let mut out = vec![0; SUB_HEADER];
    let mut put = |at: usize, word: u64| out[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(0, source.ranges.first().map_or(0, |range| range.0));
    put(8, DUMP_LEVEL.into());
    if let Some((at, len)) = source.guest {
        put(32, source.page + (SUB_HEADER + at) as u64);
        put(40, len as u64);
    }
    put(48, source.page + SUB_HEADER as u64);
    put(56, source.notes.len() as u64);
    put(96, last);
    out
}

impl Writer {
    /// Writes what follows in the file.
    fn write(&mut self, out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
        if self.form.flat && !bytes.is_empty() {
            out.write_all(&self.at.to_be_bytes())?;
            out.write_all(&(bytes.len() as u64).to_be_bytes())?;
        }
        self.at += bytes.len() as u64;
        out.write_all(bytes)
    }

    /// A bit per page from address 0 on: whether it is memory.
    fn bitmap(&self, bytes: u64) -> Vec<u8> {
        let mut bits = vec![0; block(bytes)];
        for page in &self.pages {
            let number = page.at / self.page;
            bits[block(number / 8)] |= 1 << (number % 8);
        }
        bits
    }

    /// Does another piece. Tells how many bytes of memory that was, counting each pass by half.
    pub(super) fn step(
        &mut self,
        vm: &mut dyn VmControl,
        out: &mut dyn Write,
    ) -> io::Result<Option<u64>> {
        let end = self
            .pages
            .len()
            .min(self.next + block((PIECE / self.page).max(1)));
        if self.next == end {
            return self.end_pass(out);
        }
        let (mut bytes, mut data) = (0, Vec::new());
        for n in self.next..end {
            let page = self.read(vm, n);
            bytes += self.pages[n].parts.iter().map(|(_, len)| len).sum::<u64>();
            let zeros = page.iter().all(|byte| *byte == 0);
            let packed = match zeros {
                true => None,
                false => self.form.compression.compress(&page)?,
            };
            match &mut self.table {
                Some(table) => {
                    let (at, len, flags) = match &packed {
                        _ if zeros => (self.zeros_at, page.len(), 0),
                        None => (self.data_at, page.len(), 0),
                        Some(packed) => (self.data_at, packed.len(), self.form.compression.flag()),
                    };
                    table.extend(at.to_le_bytes());
                    // No larger than a page.
                    table.extend((len as u32).to_le_bytes());
                    table.extend(flags.to_le_bytes());
                    table.extend(0_u64.to_le_bytes());
                    if !zeros {
                        self.data_at += len as u64;
                    }
                }
                None if zeros => {}
                None => data.extend(packed.unwrap_or(page)),
            }
        }
        self.next = end;
        self.write(out, &data)?;
        Ok(Some(bytes / 2))
    }

    fn read(&self, vm: &mut dyn VmControl, number: usize) -> Vec<u8> {
        let page = &self.pages[number];
        let mut bytes = vec![0; block(self.page)];
        for &(at, len) in &page.parts {
            let from = block(at - page.at);
            read_or_zero(vm, at, &mut bytes[from..from + block(len)]);
        }
        bytes
    }

    /// After the first pass, the table and a page of zeros; after the second, the end.
    fn end_pass(&mut self, out: &mut dyn Write) -> io::Result<Option<u64>> {
        if let Some(mut table) = self.table.take() {
            table.resize(table.len() + block(self.page), 0);
            self.write(out, &table)?;
            self.next = 0;
            return Ok(Some(0));
        }
        if self.form.flat {
            out.write_all(&[0xff; 16])?;
        }
        out.flush()?;
        Ok(None)
    }
}
