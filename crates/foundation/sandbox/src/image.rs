//! An app made ready: the portable truth from which everything else can be built again.
//!
//! Refuses: bytes that are not whole, too large, or of another format; never trusts a length that it reads.

use crate::{Error, artefacts::engine_id, data_module, positions::Positions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

const MAGIC: &[u8] = b"bailiwick-image-1\n";
/// Fast to read, and four fifths of what slower levels save.
const LEVEL: i32 = 3;
/// A component as its builder brings it; engines of other languages are below 15 MB.
pub(crate) const COMPONENT_BYTES: usize = 32 << 20;
const HEADER_BYTES: usize = 16 << 20;
const PAYLOAD_BYTES: u64 = (COMPONENT_BYTES + HEADER_BYTES + 4) as u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// JavaScript or TypeScript: the engine's memory after the modules ran.
    Script,
    /// A `wasi:http` component of any language.
    Component,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) kind: ImageKind,
    /// Empty for components, which bring their own.
    pub(crate) engine: String,
    pub(crate) handlers: Vec<String>,
    pub(crate) positions: Positions,
}

/// An app made ready. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Image {
    header: Arc<Header>,
    bytes: Bytes,
}

impl Image {
    pub(crate) fn new(header: Header, wasm: &[u8]) -> Result<Self, Error> {
        let json = serde_json::to_vec(&header).map_err(|_| Error::Image("its description cannot be written"))?;
        if json.len() > HEADER_BYTES {
            return Err(Error::Image("its description is too large"));
        }
        let length = u32::try_from(json.len()).map_err(|_| Error::Image("its description is too large"))?;
        let mut bytes = MAGIC.to_vec();
        let pack = |bytes: &mut Vec<u8>| -> std::io::Result<()> {
            let mut packer = zstd::Encoder::new(bytes, LEVEL)?;
            packer.write_all(&length.to_le_bytes())?;
            packer.write_all(&json)?;
            packer.write_all(wasm)?;
            packer.finish().map(drop)
        };
        pack(&mut bytes).map_err(|_| Error::Image("it cannot be compressed"))?;
        Ok(Self { header: Arc::new(header), bytes: bytes.into() })
    }

    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Reads what [`Image::to_bytes`] gave; the bytes may be anyone's.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let (header, wasm) = unpack(&bytes)?;
        let most = match header.kind {
            ImageKind::Script => data_module::MODULE_BYTES,
            ImageKind::Component => COMPONENT_BYTES,
        };
        if wasm.len() > most {
            return Err(Error::Image("it is too large"));
        }
        Ok(Self { header: Arc::new(header), bytes })
    }

    #[must_use]
    pub fn kind(&self) -> ImageKind {
        self.header.kind
    }

    /// `fetch`, `scheduled`: what the app handles.
    #[must_use]
    pub fn handlers(&self) -> &[String] {
        &self.header.handlers
    }

    /// The engine that it was made for; none for a component, which brings all that it needs.
    #[must_use]
    pub fn engine(&self) -> Option<&str> {
        (self.header.kind == ImageKind::Script).then_some(&self.header.engine)
    }

    pub(crate) fn positions(&self) -> &Positions {
        &self.header.positions
    }

    /// The module or component inside, if this server's engine can run it.
    pub(crate) fn wasm(&self) -> Result<Vec<u8>, Error> {
        let here = engine_id();
        if self.header.kind == ImageKind::Script && self.header.engine != here {
            return Err(Error::OtherEngine { image: self.header.engine.clone(), here: here.to_owned() });
        }
        unpack(&self.bytes).map(|(_, wasm)| wasm)
    }
}

fn unpack(bytes: &[u8]) -> Result<(Header, Vec<u8>), Error> {
    let packed = bytes.strip_prefix(MAGIC).ok_or(Error::Image("it does not begin as one"))?;
    let broken = |_: std::io::Error| Error::Image("its bytes are broken");
    let mut reader = zstd::Decoder::new(packed).map_err(broken)?.take(PAYLOAD_BYTES + 1);
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(broken)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > HEADER_BYTES as u64 {
        return Err(Error::Image("its description is too large"));
    }
    let mut json = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut json).map_err(broken)?;
    let header = serde_json::from_slice(&json).map_err(|_| Error::Image("its description cannot be read"))?;
    let mut wasm = Vec::new();
    reader.read_to_end(&mut wasm).map_err(broken)?;
    if reader.limit() == 0 {
        return Err(Error::Image("it is too large"));
    }
    Ok((header, wasm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(engine: &str) -> Image {
        let positions = Positions::default();
        let header =
            Header { kind: ImageKind::Script, engine: engine.into(), handlers: vec!["fetch".into()], positions };
        Image::new(header, b"some wasm").unwrap()
    }

    #[test]
    fn an_image_survives_the_journey_and_another_engine_refuses_it() {
        let back = Image::from_bytes(image(engine_id()).to_bytes()).unwrap();
        assert_eq!((back.handlers(), back.wasm().unwrap()), (&["fetch".to_owned()][..], b"some wasm".to_vec()));
        let other = Image::from_bytes(image("other").to_bytes()).unwrap();
        assert!(matches!(other.wasm(), Err(Error::OtherEngine { .. })));
    }

    #[test]
    fn a_bomb_is_refused() {
        let header = Header {
            kind: ImageKind::Component,
            engine: String::new(),
            handlers: Vec::new(),
            positions: Positions::default(),
        };
        let bomb = Image::new(header, &vec![0; COMPONENT_BYTES + 1]).unwrap();
        assert!(bomb.bytes.len() < 1 << 20);
        assert!(matches!(Image::from_bytes(bomb.bytes), Err(Error::Image(_))));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Image::from_bytes(noise.clone());
            let _ = Image::from_bytes([MAGIC, &noise].concat());
            let mut packed = MAGIC.to_vec();
            zstd::stream::copy_encode(&noise[..], &mut packed, 1).unwrap();
            let _ = Image::from_bytes(packed);
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0..150_usize, bit in 0..8_u8) {
            let mut bytes = image("x").to_bytes().to_vec();
            let at = at % bytes.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1_u8 << bit;
            }
            let _ = Image::from_bytes(bytes);
        }
    }
}
