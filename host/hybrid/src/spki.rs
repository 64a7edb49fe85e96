//! The public key inside a certificate, found by walking its DER by hand.
//!
//! Kong's own `kong hybrid gen_cert` makes X.509 version 1, which the library for chains refuses to read. This walks to the key and
//! no further, believes no length beyond the bytes at hand, and judges nothing: who trusts the certificate has compared all of it.

/// Larger than any certificate, and small enough for every sum below.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `[0]`, which holds the version; version 1 has none.
const VERSION: u8 = 0xa0;

/// What a certificate says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey<'a> {
    /// The whole SubjectPublicKeyInfo.
    pub spki: &'a [u8],
    /// What stands within its AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    pub bits: &'a [u8],
    pub is_version_1: bool,
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

/// `None` for what is no certificate.
pub(crate) fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return None;
    }
    let certificate = expect(certificate, SEQUENCE)?;
    if !certificate.rest.is_empty() {
        return None;
    }
    let mut rest = expect(certificate.content, SEQUENCE)?.content;
    let first = element(rest)?;
    let is_version_1 = first.tag != VERSION;
    if !is_version_1 {
        rest = first.rest;
    }
    rest = expect(rest, INTEGER)?.rest;
    // Signature algorithm, issuer, validity, subject.
    for _ in 0..4 {
        rest = expect(rest, SEQUENCE)?.rest;
    }
    let spki = expect(rest, SEQUENCE)?;
    let (algorithm, bits) = parts(spki.content)?;
    Some(PublicKey { spki: spki.whole, algorithm, bits, is_version_1 })
}

/// The key's bits of a SubjectPublicKeyInfo that stands alone.
pub(crate) fn bits_of(spki: &[u8]) -> Option<&[u8]> {
    parts(expect(spki, SEQUENCE)?.content).map(|(_, bits)| bits)
}

fn parts(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let algorithm = expect(spki, SEQUENCE)?;
    let bits = expect(algorithm.rest, BIT_STRING)?;
    // The first byte counts unused bits; a key is whole bytes.
    let (0, key) = bits.content.split_first().map(|(unused, key)| (*unused, key))? else { return None };
    bits.rest.is_empty().then_some((algorithm.content, key))
}

fn expect(input: &[u8], tag: u8) -> Option<Element<'_>> {
    element(input).filter(|element| element.tag == tag)
}

fn element(input: &[u8]) -> Option<Element<'_>> {
    let [tag, first, body @ ..] = input else { return None };
    let (length, body) = match first {
        0..=0x7f => (usize::from(*first), body),
        // Longer forms do not fit into CERTIFICATE_BYTES_MAX, and DER has no indefinite one.
        0x81..=0x83 => {
            let (digits, body) = body.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), body)
        }
        _ => return None,
    };
    let (content, rest) = body.split_at_checked(length)?;
    let whole = input.get(..input.len() - rest.len())?;
    Some(Element { tag: *tag, content, whole, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    #[test]
    fn it_finds_the_key_that_the_library_finds() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let found = public_key(made.cert.der()).unwrap();
        assert_eq!(found.bits, made.signing_key.public_key_raw());
        assert!(!found.is_version_1);
        assert_eq!(bits_of(found.spki), Some(found.bits));
    }

    #[test]
    fn it_reads_the_version_1_that_kong_makes() {
        let found = CLUSTER_DER.with(|der| public_key(der).map(|key| (key.is_version_1, key.bits.len())));
        assert_eq!(found, Some((true, 97)), "a point of P-384");
    }

    #[test]
    fn no_mutation_of_a_certificate_makes_it_fall() {
        CLUSTER_DER.with(|der| {
            for cut in 0..der.len() {
                assert_eq!(public_key(&der[..cut]), None, "cut to {cut}");
            }
            for at in 0..der.len() {
                for byte in [0, 1, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0xff] {
                    let mut mutant = der.to_vec();
                    mutant[at] = byte;
                    // Whatever it finds lies within the certificate; the slices themselves prove it.
                    let _ = public_key(&mutant);
                }
            }
            let mut longer = der.to_vec();
            longer.push(0);
            assert_eq!(public_key(&longer), None);
        });
    }

    #[test]
    fn random_bytes_are_no_certificate() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for length in (0..2_000).map(|round| round % 97) {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    [0x30, 0x02, 0x03, 0x81, 0x80, seed as u8][(seed >> 32) as usize % 6]
                })
                .collect();
            let _ = public_key(&bytes);
        }
        assert_eq!(public_key(&vec![0x30; CERTIFICATE_BYTES_MAX + 1]), None);
    }

    thread_local! {
        static CLUSTER_DER: Vec<u8> =
            CertificateDer::from_pem_slice(include_bytes!("../tests/fixtures/cluster.crt.pem")).unwrap().to_vec();
    }
}
