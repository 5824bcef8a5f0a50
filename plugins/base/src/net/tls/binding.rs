//! What a log-in is bound to, so that nobody who sits between can pass it on: the hash of the server's certificate, which
//! RFC 5929 calls `tls-server-end-point`.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};

/// The object identifiers of signatures by RSA and ECDSA, without their last number.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The hash of `certificate`, by the function that its own signature uses. `None` where that function is none that we
/// have, or where the signature names none.
pub(in crate::net) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let suite = suite(signature(certificate)?)?;
    Some(suite.tls13()?.common.hash_provider.hash(certificate).as_ref().to_vec())
}

/// A suite with the hash function for a signature. In place of MD5 and SHA-1, which are broken, SHA-256 is demanded.
fn suite(signature: &[u8]) -> Option<SupportedCipherSuite> {
    match (signature.strip_prefix(RSA), signature.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Some(TLS13_AES_128_GCM_SHA256),
        (Some([12]), _) | (_, Some([3, 3])) => Some(TLS13_AES_256_GCM_SHA384),
        _ => None,
    }
}

/// The object identifier of the algorithm that signed a certificate, which stands behind what is signed.
fn signature(certificate: &[u8]) -> Option<&[u8]> {
    let (parts, _) = element(certificate)?;
    let (_, behind) = element(parts)?;
    let (algorithm, _) = element(behind)?;
    element(algorithm).map(|(identifier, _)| identifier)
}

/// The content of the first element of `der`, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = der.get(1..)?.split_first()?;
    if length < 0x80 {
        return rest.split_at_checked(length.into());
    }
    // A longer length has bytes of its own.
    let (bytes, rest) = rest.split_at_checked((length & 0x7f).into())?;
    rest.split_at_checked(bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of 300 bytes of nothing, signed by the algorithm of `identifier`.
    fn certificate(identifier: &[u8]) -> Vec<u8> {
        let mut algorithm = vec![0x06, identifier.len() as u8];
        algorithm.extend_from_slice(identifier);
        let mut parts = [&[0x30, 0x82, 0x01, 0x2c][..], &[0; 300], &[0x30, algorithm.len() as u8], &algorithm].concat();
        parts.extend([0x03, 0x02, 0x00, 0x01]);
        [&[0x30, 0x82, (parts.len() >> 8) as u8, parts.len() as u8][..], &parts].concat()
    }

    #[test]
    fn the_signature_decides_which_hash_it_is() {
        for (identifier, bytes) in [
            ([RSA, &[4]].concat(), Some(32)),
            ([RSA, &[5]].concat(), Some(32)),
            ([RSA, &[11]].concat(), Some(32)),
            ([RSA, &[12]].concat(), Some(48)),
            // With SHA-512, and the one of RSA that names its hash elsewhere.
            ([RSA, &[13]].concat(), None),
            ([RSA, &[10]].concat(), None),
            ([ECDSA, &[1]].concat(), Some(32)),
            ([ECDSA, &[3, 2]].concat(), Some(32)),
            ([ECDSA, &[3, 3]].concat(), Some(48)),
            ([ECDSA, &[3, 4]].concat(), None),
            (vec![0x2b, 0x65, 0x70], None),
        ] {
            let found = end_point(&certificate(&identifier));
            assert_eq!(found.map(|hash| hash.len()), bytes, "{identifier:?}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_whole_certificate() {
        let certificate = certificate(&[ECDSA, &[3, 2]].concat());
        let hash = end_point(&certificate).unwrap();
        let hex = hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(hex, "cb0f2bfbc7a2ad300763ea48128caabcd034b4ecc6b78ccf8132035d01a06356");
        // One that is cut short is none.
        assert!((0..certificate.len()).all(|length| end_point(&certificate[..length]).is_none()));
    }
}
