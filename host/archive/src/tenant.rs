//! A tenant's keys: made once, kept in the store sealed under the master key, opened here only.
//!
//! Each private key is sealed with the public key that belongs to it as associated data, and compared with it after opening: a record put together from
//! two tenants' records opens nothing.
//!
//! What is wiped from memory is our own copies. ring wipes none of what it makes of a key (the signing pair, HMAC and AES keys), and offers no way to.

use std::str::FromStr;
use std::sync::Arc;

use age::secrecy::ExposeSecret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consign_model::manifest::Signature;
use consign_model::{Digest, EarlierKeys, EarlierPublicKeys, Name, TenantKeys, Timestamp};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::{KeyError, MasterKey};

const SEALING: &str = "tenant keys";
const CHECK: &str = "master key check";
const IDENTITY: &str = "consign age identity v1";
const SIGNING: &str = "consign signing key v1";
const SECRET: &str = "consign tenant secret v1";
const ANSWER: &str = "consign kept answer v1";
/// Characters of an age identity and a line feed, and some more: there are 75.
const LONGEST_IDENTITY: usize = 96;
const ALGORITHM: &str = "ed25519-sha256";

/// New keys for a tenant: an age X25519 identity and an Ed25519 key, each sealed under the master key (AES-256-GCM).
pub fn generate_tenant_keys(master: &MasterKey) -> Result<TenantKeys, KeyError> {
    make(&sealing_key(master)?, check_value(master), Vec::new())
}

/// Keys that are to take the place of a tenant's own: made, sealed and open.
pub struct NewKeys {
    sealed: TenantKeys,
    pub(crate) open: OpenKeys,
}

impl NewKeys {
    /// In the place of these, at that time.
    pub(crate) fn make(sealing: &LessSafeKey, keys: &TenantKeys, at: Timestamp) -> Result<Self, KeyError> {
        let TenantKeys { recipient, signing_public_key: signing_key, sealed_identity, .. } = keys.clone();
        let last = EarlierKeys { public: EarlierPublicKeys { recipient, signing_key, until: at }, sealed_identity };
        let earlier = keys.earlier.iter().cloned().chain([last]).collect();
        let sealed = make(sealing, keys.master_key_check.clone(), earlier)?;
        let open = OpenKeys { identities: identities(sealing, &sealed)?, signing: signing(sealing, &sealed)? };
        Ok(Self { sealed, open })
    }

    /// As the store keeps them.
    pub fn sealed(&self) -> &TenantKeys {
        &self.sealed
    }
}

fn make(sealing: &LessSafeKey, master_key_check: String, earlier: Vec<EarlierKeys>) -> Result<TenantKeys, KeyError> {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    // The seed of RFC 8032 itself: ring's PKCS#8 document of it could not be wiped.
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| KeyError::NoRandomness)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| KeyError::NoRandomness)?;
    let signing_public_key = BASE64_STANDARD.encode(pair.public_key());
    Ok(TenantKeys {
        sealed_identity: seal(sealing, IDENTITY, &recipient, identity.to_string().expose_secret().as_bytes())?,
        sealed_signing_key: seal(sealing, SIGNING, &signing_public_key, seed.as_slice())?,
        recipient,
        signing_public_key,
        master_key_check,
        earlier,
    })
}

/// A tenant's private keys, open.
pub(crate) struct OpenKeys {
    /// Newest first.
    pub identities: Vec<age::x25519::Identity>,
    pub signing: Arc<Ed25519KeyPair>,
}

/// Opens a tenant's private keys. A wrong master key is told by the check value, unless something opens with it all the same: then the check value is
/// what is damaged.
pub(crate) fn open(keys: &TenantKeys, master: &MasterKey) -> Result<OpenKeys, KeyError> {
    let sealing = sealing_key(master)?;
    let (identities, signing) = (identities(&sealing, keys), signing(&sealing, keys));
    if keys.master_key_check != check_value(master) {
        // Whatever opens is opened by the right one.
        let opens = |public: &str, sealed: &str, kind| unseal(&sealing, kind, public, sealed).is_some();
        let is_right = opens(&keys.recipient, &keys.sealed_identity, IDENTITY) || opens(&keys.signing_public_key, &keys.sealed_signing_key, SIGNING);
        return Err(if is_right { KeyError::Damaged("master key check") } else { KeyError::WrongMasterKey });
    }
    Ok(OpenKeys { identities: identities?, signing: signing? })
}

/// Newest first, of which most that is read is for.
fn identities(sealing: &LessSafeKey, keys: &TenantKeys) -> Result<Vec<age::x25519::Identity>, KeyError> {
    let earlier = keys.earlier.iter().rev().map(|keys| (&keys.public.recipient, &keys.sealed_identity));
    let open = |(recipient, sealed): (&String, &String)| {
        let bytes = unseal(sealing, IDENTITY, recipient, sealed)?;
        let identity = age::x25519::Identity::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
        (identity.to_public().to_string() == *recipient).then_some(identity)
    };
    let all = [(&keys.recipient, &keys.sealed_identity)].into_iter().chain(earlier);
    all.map(|one| open(one).ok_or(KeyError::Damaged("age identity"))).collect()
}

fn signing(sealing: &LessSafeKey, keys: &TenantKeys) -> Result<Arc<Ed25519KeyPair>, KeyError> {
    unseal(sealing, SIGNING, &keys.signing_public_key, &keys.sealed_signing_key)
        .and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok())
        .filter(|pair| BASE64_STANDARD.encode(pair.public_key()) == keys.signing_public_key)
        .map(Arc::new)
        .ok_or(KeyError::Damaged("signing key"))
}

/// Seals and opens secrets that a tenant gives to be kept, passwords of its targets, and answers that are kept for whoever asks again. Each is bound to the tenant's first public key and to its name, so that none can be put
/// in another's place.
#[derive(Clone)]
pub(crate) struct Secrets {
    key: Arc<LessSafeKey>,
    recipient: String,
}

impl Secrets {
    pub fn new(keys: &TenantKeys, master: &MasterKey) -> Result<Self, KeyError> {
        let derived = master.derive_key("tenant secrets");
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self { key: Arc::new(LessSafeKey::new(key)), recipient: keys.first_recipient().to_owned() })
    }

    pub fn seal_answer(&self, request: &Digest, answer: &[u8]) -> Result<String, KeyError> {
        seal(&self.key, ANSWER, &format!("{}/{}", self.recipient, request.hex()), answer)
    }

    pub fn open_answer(&self, request: &Digest, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        unseal(&self.key, ANSWER, &format!("{}/{}", self.recipient, request.hex()), sealed)
    }

    /// Neither an age recipient nor a name holds a slash.
    fn place(&self, name: &Name) -> String {
        format!("{}/{name}", self.recipient)
    }

    pub fn seal(&self, name: &Name, secret: &str) -> Result<String, KeyError> {
        seal(&self.key, SECRET, &self.place(name), secret.as_bytes())
    }

    pub fn open(&self, name: &Name, sealed: &str) -> Option<Zeroizing<String>> {
        let bytes = unseal(&self.key, SECRET, &self.place(name), sealed)?;
        std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// The tenant's age identities (`AGE-SECRET-KEY-1…`), a line each, newest first: with them `age -d` opens every file of the tenant, without Consign. Whoever has them reads everything.
pub fn age_identities(keys: &TenantKeys, master: &MasterKey) -> Result<Zeroizing<String>, KeyError> {
    let identities = open(keys, master)?.identities;
    // At once as long as it gets: a text that grows leaves copies of what it was.
    let mut lines = Zeroizing::new(String::with_capacity(identities.len() * LONGEST_IDENTITY));
    for identity in identities {
        lines.push_str(identity.to_string().expose_secret());
        lines.push('\n');
    }
    Ok(lines)
}

/// Signs a SHA-256: a manifest is hashed while it is written, and never in memory whole.
pub(crate) fn sign(pair: &Ed25519KeyPair, digest: &Digest) -> Signature {
    Signature {
        algorithm: ALGORITHM.to_owned(),
        key: BASE64_STANDARD.encode(pair.public_key()),
        digest: *digest,
        value: BASE64_STANDARD.encode(pair.sign(&digest.0)),
    }
}

/// Whether `signature` is this key's over these bytes. `public_key` is base64, from where the reader trusts it: the key inside the signature proves
/// nothing by itself. Needs no archive and no secret.
pub fn verify_signature(public_key: &str, bytes: &[u8], signature: &Signature) -> bool {
    let digest = Digest::of(bytes);
    let (Ok(key), Ok(value)) = (BASE64_STANDARD.decode(public_key), BASE64_STANDARD.decode(&signature.value)) else {
        return false;
    };
    signature.algorithm == ALGORITHM
        && signature.key == public_key
        && signature.digest == digest
        && UnparsedPublicKey::new(&ED25519, key).verify(&digest.0, &value).is_ok()
}

fn check_value(master: &MasterKey) -> String {
    let derived = master.derive_key(CHECK);
    BASE64_STANDARD.encode(derived.get(..16).unwrap_or_default())
}

pub(crate) fn sealing_key(master: &MasterKey) -> Result<LessSafeKey, KeyError> {
    let derived = master.derive_key(SEALING);
    UnboundKey::new(&AES_256_GCM, derived.as_slice()).map(LessSafeKey::new).map_err(|_| KeyError::NoRandomness)
}

/// Kind and public key, each ended by a zero byte, which stands in neither.
fn associated(kind: &str, public: &str) -> Vec<u8> {
    [kind.as_bytes(), &[0], public.as_bytes(), &[0]].concat()
}

/// Base64 of nonce, ciphertext and tag.
fn seal(key: &LessSafeKey, kind: &str, public: &str, secret: &[u8]) -> Result<String, KeyError> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
    // Encrypted in place, so the secret's copy does not outlive this call.
    let mut sealed = secret.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated(kind, public)), &mut sealed)
        .map_err(|_| KeyError::NoRandomness)?;
    Ok(BASE64_STANDARD.encode([nonce.as_slice(), &sealed].concat()))
}

fn unseal(key: &LessSafeKey, kind: &str, public: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut secret = Zeroizing::new(sealed.to_vec());
    let length = key.open_in_place(nonce, Aad::from(associated(kind, public)), &mut secret).ok()?.len();
    secret.truncate(length);
    Some(secret)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn changed(text: &str, at: usize) -> String {
        let swap = |(place, c): (usize, char)| match (place == at, c) {
            (false, c) => c,
            (true, 'A') => 'B',
            (true, _) => 'A',
        };
        text.chars().enumerate().map(swap).collect()
    }

    #[test]
    fn a_secret_is_its_tenants_under_its_name() {
        let (master, name) = (MasterKey::generate().unwrap(), |text: &str| text.parse::<Name>().unwrap());
        let [one, other] = [(); 2].map(|()| Secrets::new(&generate_tenant_keys(&master).unwrap(), &master).unwrap());
        let sealed = one.seal(&name("smtp"), "open sesame").unwrap();
        assert_eq!(one.open(&name("smtp"), &sealed).unwrap().as_str(), "open sesame");
        assert_ne!(one.seal(&name("smtp"), "open sesame").unwrap(), sealed, "twice the same shows nothing");
        let request = Digest::of(b"request");
        let answer = one.seal_answer(&request, b"a token").unwrap();
        assert_eq!(one.open_answer(&request, &answer).unwrap().as_slice(), b"a token");
        assert!(one.open_answer(&Digest::of(b"other"), &answer).is_none() && other.open_answer(&request, &answer).is_none());
        assert!(one.open_answer(&request, &sealed).is_none() && one.open(&name("smtp"), &answer).is_none(), "one is not taken for the other");
        assert!(one.open(&name("smtp-2"), &sealed).is_none() && other.open(&name("smtp"), &sealed).is_none());
        assert!((0..sealed.len()).all(|at| one.open(&name("smtp"), &changed(&sealed, at)).is_none()));
    }

    #[test]
    fn what_earlier_keys_sealed_opens() {
        let master = MasterKey::generate().unwrap();
        let mut keys = generate_tenant_keys(&master).unwrap();
        let (name, sealing) = ("smtp".parse::<Name>().unwrap(), sealing_key(&master).unwrap());
        let sealed = Secrets::new(&keys, &master).unwrap().seal(&name, "open sesame").unwrap();
        for round in 1..=3 {
            let new = NewKeys::make(&sealing, &keys, Timestamp(round)).unwrap();
            assert!(new.sealed().follow(&keys) && !keys.follow(new.sealed()) && !new.sealed().follow(new.sealed()));
            assert_eq!(new.open.identities.len(), open(new.sealed(), &master).unwrap().identities.len());
            keys = new.sealed().clone();
            assert_eq!(Secrets::new(&keys, &master).unwrap().open(&name, &sealed).unwrap().as_str(), "open sesame");
            let lines = age_identities(&keys, &master).unwrap();
            let recipients: Vec<String> = lines.lines().map(|line| age::x25519::Identity::from_str(line).unwrap().to_public().to_string()).collect();
            let earlier = keys.earlier.iter().rev().map(|keys| keys.public.recipient.clone());
            assert_eq!(recipients, [keys.recipient.clone()].into_iter().chain(earlier).collect::<Vec<_>>());
            assert_eq!(keys.signing_keys().last(), Some(&keys.signing_public_key));
        }
        // One that is damaged is said to be, and not left out.
        keys.earlier[0].sealed_identity = keys.sealed_signing_key.clone();
        assert!(matches!(open(&keys, &master), Err(KeyError::Damaged("age identity"))));
        assert!(matches!(open(&keys, &MasterKey::generate().unwrap()), Err(KeyError::WrongMasterKey)));
    }

    type Field = fn(&mut TenantKeys) -> &mut String;

    #[test]
    fn a_wrong_master_key_is_told_from_damage() {
        let master = MasterKey::generate().unwrap();
        let keys = generate_tenant_keys(&master).unwrap();
        open(&keys, &master).unwrap();
        assert!(matches!(open(&keys, &MasterKey::generate().unwrap()), Err(KeyError::WrongMasterKey)));
        let fields: [(Field, &str); 5] = [
            (|keys| &mut keys.recipient, "age identity"),
            (|keys| &mut keys.sealed_identity, "age identity"),
            (|keys| &mut keys.sealed_signing_key, "signing key"),
            (|keys| &mut keys.signing_public_key, "signing key"),
            (|keys| &mut keys.master_key_check, "master key check"),
        ];
        for (field, name) in fields {
            let whole = field(&mut keys.clone()).clone();
            let ways = (0..whole.len()).map(|at| changed(&whole, at)).chain([String::new(), format!("{whole}A"), "é".to_owned()]);
            for (way, text) in ways.enumerate() {
                let mut keys = keys.clone();
                *field(&mut keys) = text;
                // The last character of unpadded base64 may hold unused bits; refusing those is base64's own rule.
                assert!(matches!(open(&keys, &master), Err(KeyError::Damaged(found)) if found == name), "{name}, way {way}");
            }
        }
    }

    #[test]
    fn two_tenants_keys_do_not_mix() {
        let master = MasterKey::generate().unwrap();
        let (one, other) = (generate_tenant_keys(&master).unwrap(), generate_tenant_keys(&master).unwrap());
        let mixed = TenantKeys { sealed_identity: other.sealed_identity.clone(), ..one.clone() };
        assert!(matches!(open(&mixed, &master), Err(KeyError::Damaged("age identity"))));
        let mixed = TenantKeys { sealed_identity: one.sealed_signing_key.clone(), ..one };
        assert!(matches!(open(&mixed, &master), Err(KeyError::Damaged("age identity"))));
    }

    #[test]
    fn signatures() {
        let master = MasterKey::generate().unwrap();
        let (keys, other) = (generate_tenant_keys(&master).unwrap(), generate_tenant_keys(&master).unwrap());
        let signature = sign(&open(&keys, &master).unwrap().signing, &Digest::of(b"manifest"));
        assert!(verify_signature(&keys.signing_public_key, b"manifest", &signature));
        assert!(!verify_signature(&keys.signing_public_key, b"manifesT", &signature));
        assert!(!verify_signature(&other.signing_public_key, b"manifest", &signature));
        let forged = sign(&open(&other, &master).unwrap().signing, &Digest::of(b"manifest"));
        assert!(!verify_signature(&keys.signing_public_key, b"manifest", &forged));
        assert!(!verify_signature(&keys.signing_public_key, b"manifest", &Signature { key: keys.signing_public_key.clone(), ..forged }));
        let swapped = Signature { value: String::new(), ..signature };
        assert!(!verify_signature(&keys.signing_public_key, b"manifest", &swapped));
    }
}
