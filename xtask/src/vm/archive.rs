//! An initramfs: directories and files in the format "newc" of cpio. Pure.
//!
//! Not compressed: an emulated processor unpacks slower than it copies.
//!
//! Source: kernel document driver-api/early-userspace/buffer-format.

const FILE: u32 = 0o100_755;
const DIRECTORY: u32 = 0o040_755;
/// Names and contents end at a multiple of this.
const ALIGNED: usize = 4;

#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory. Those above it come first.
    pub fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY, &[]);
    }

    /// Adds a file that everybody may run.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, FILE, content);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (name_len, content_len) = (path.len() + 1, content.len());
        // Magic, inode, mode, uid, gid, links, mtime, size, device (2), its own device (2), length
        // of the name, checksum.
        let inode = self.entries;
        let head = format!(
            "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{content_len:08x}\
             {0:08x}{0:08x}{0:08x}{0:08x}{name_len:08x}{0:08x}",
            0, 1
        );
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNED), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_head_of_110_characters_with_name_and_content_aligned() {
        let mut archive = Archive::default();
        archive.directory("bin");
        archive.file("bin/a", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let directory = 110 + 4 + 2;
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[110..114], b"bin\0");
        let file = &bytes[directory..];
        assert_eq!(&file[..6], b"070701");
        assert_eq!(&file[54..62], b"00000005", "the size is the seventh number");
        assert_eq!(&file[110..116], b"bin/a\0");
        assert_eq!(&file[116..121], b"12345");
        assert_eq!(&file[124..130], b"070701");
    }
}
