//! SHA-1, SHA-2 and HMAC for `crypto.subtle`, from RustCrypto. Refuses names it does not know; comparing is constant in time.
use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{Ctx, Exception, Result, TypedArray};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::text::copy_bytes;

fn unknown(ctx: &Ctx<'_>, algorithm: &str) -> rquickjs::Error {
    Exception::throw_message(
        ctx,
        &format!("`{algorithm}` is not among SHA-1, SHA-256, SHA-384 and SHA-512"),
    )
}

/// The digest of `bytes`.
pub(crate) fn digest<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    bytes: TypedArray<'js, u8>,
) -> Result<TypedArray<'js, u8>> {
    let bytes = copy_bytes(&bytes);
    let digest = match algorithm.as_str() {
        "SHA-1" => Sha1::digest(&bytes).to_vec(),
        "SHA-256" => Sha256::digest(&bytes).to_vec(),
        "SHA-384" => Sha384::digest(&bytes).to_vec(),
        "SHA-512" => Sha512::digest(&bytes).to_vec(),
        _ => return Err(unknown(&ctx, &algorithm)),
    };
    TypedArray::new(ctx, digest)
}

fn mac<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(bytes);
    Some(mac)
}

/// The HMAC of `bytes` under `key`.
pub(crate) fn sign<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    key: TypedArray<'js, u8>,
    bytes: TypedArray<'js, u8>,
) -> Result<TypedArray<'js, u8>> {
    let (key, bytes) = (copy_bytes(&key), copy_bytes(&bytes));
    let signature = match algorithm.as_str() {
        "SHA-1" => mac::<Hmac<Sha1>>(&key, &bytes).map(|mac| mac.finalize().into_bytes().to_vec()),
        "SHA-256" => {
            mac::<Hmac<Sha256>>(&key, &bytes).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        "SHA-384" => {
            mac::<Hmac<Sha384>>(&key, &bytes).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        "SHA-512" => {
            mac::<Hmac<Sha512>>(&key, &bytes).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        _ => None,
    };
    TypedArray::new(
        ctx.clone(),
        signature.ok_or_else(|| unknown(&ctx, &algorithm))?,
    )
}

/// Whether `signature` is the HMAC of `bytes` under `key`.
pub(crate) fn verify(
    ctx: Ctx<'_>,
    algorithm: String,
    key: TypedArray<'_, u8>,
    signature: TypedArray<'_, u8>,
    bytes: TypedArray<'_, u8>,
) -> Result<bool> {
    let (key, signature, bytes) = (copy_bytes(&key), copy_bytes(&signature), copy_bytes(&bytes));
    let verdict = match algorithm.as_str() {
        "SHA-1" => mac::<Hmac<Sha1>>(&key, &bytes).map(|mac| mac.verify_slice(&signature).is_ok()),
        "SHA-256" => {
            mac::<Hmac<Sha256>>(&key, &bytes).map(|mac| mac.verify_slice(&signature).is_ok())
        }
        "SHA-384" => {
            mac::<Hmac<Sha384>>(&key, &bytes).map(|mac| mac.verify_slice(&signature).is_ok())
        }
        "SHA-512" => {
            mac::<Hmac<Sha512>>(&key, &bytes).map(|mac| mac.verify_slice(&signature).is_ok())
        }
        _ => None,
    };
    verdict.ok_or_else(|| unknown(&ctx, &algorithm))
}
