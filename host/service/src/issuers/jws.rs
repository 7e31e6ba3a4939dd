//! Signatures of JSON Web Signature, checked by `ring`, which the program has for all else: so `jsonwebtoken` brings no second library of cryptography along.
//!
//! There is nothing here that signs, and no algorithm whose key is a secret: an issuer's keys are public, and one that could be taken for a shared secret would let anybody sign.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature as by;

/// What an issuer may sign with. What is not among them is refused before its key is looked for.
pub const ALLOWED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()), verifier_factory, key_utils: KeyUtils::new_unimplemented() };

/// Has `jsonwebtoken` check by this, in the whole process.
pub fn install() {
    // Only who has installed it before is in the way, and that is this very function.
    let _ = PROVIDER.install_default();
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as it is called")]
fn verifier_factory(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let fits = ALLOWED.contains(algorithm) && key.family() == algorithm.family();
    if fits { Ok(Box::new(Verifier { algorithm: *algorithm, key: key.clone() })) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let holds = match (self.key.kind(), self.algorithm.family()) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, AlgorithmFamily::Rsa) => {
                let parameters = match self.algorithm {
                    Algorithm::RS256 => &by::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &by::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &by::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::PS256 => &by::RSA_PSS_2048_8192_SHA256,
                    Algorithm::PS384 => &by::RSA_PSS_2048_8192_SHA384,
                    Algorithm::PS512 => &by::RSA_PSS_2048_8192_SHA512,
                    _ => return Err(signature::Error::new()),
                };
                by::RsaPublicKeyComponents { n: significant(n), e: significant(e) }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(key), AlgorithmFamily::Ec | AlgorithmFamily::Ed) => {
                let algorithm: &dyn by::VerificationAlgorithm = match self.algorithm {
                    Algorithm::ES256 => &by::ECDSA_P256_SHA256_FIXED,
                    Algorithm::ES384 => &by::ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDSA => &by::ED25519,
                    _ => return Err(signature::Error::new()),
                };
                by::UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        holds.map_err(|_| signature::Error::new())
    }
}

/// Without the zeros that some issuers write before a number.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
