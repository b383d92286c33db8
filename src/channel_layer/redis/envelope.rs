//! What one publication to Redis looks like, and the only code that seals and opens it.
//!
//! ```text
//! format u8 · kind u8 · deployment (length u8, bytes) · group (length u8, bytes) · origin 16 bytes
//! · number u64 · previous u64 · payload … · HMAC-SHA256 over all before it, 32 bytes       (big-endian)
//! ```
//!
//! `number` counts what an instance publishes; `previous` is the number of its publication before this one to the same
//! group, 0 when it does not know. A receiver that is not at `previous` has missed something.

use aws_lc_rs::hmac;
use bytes::{Buf, BufMut, Bytes};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::super::GroupName;
use super::RedisSettings;
use crate::ids::InstanceId;

const FORMAT: u8 = 1;
const TAG_BYTES: usize = 32;

/// What a publication is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Somebody's message to a group.
    Message,
    /// The origin dropped messages to the group: its channels must resync. Outside the numbering.
    Gap,
    /// The origin dropped messages to groups it no longer remembers: every channel must resync.
    GapAnywhere,
    /// The origin's own probe; `number` is its nonce.
    Probe,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Message, Self::Gap, Self::GapAnywhere, Self::Probe];

    const fn code(self) -> u8 {
        match self {
            Self::Message => 1,
            Self::Gap => 2,
            Self::GapAnywhere => 3,
            Self::Probe => 4,
        }
    }
}

/// One publication, opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Envelope {
    /// What it is for.
    pub(super) kind: Kind,
    /// The group it goes to; empty for what goes to instances.
    pub(super) group: String,
    /// Who published it.
    pub(super) origin: InstanceId,
    /// Its place among all that the origin publishes, from 1.
    pub(super) number: u64,
    /// The number of the one before it in this group; 0: unknown.
    pub(super) previous: u64,
    /// What was sent.
    pub(super) payload: Bytes,
}

/// Seals with the first secret, opens with any of them, names the Redis channels of the deployment.
#[derive(Clone)]
pub(super) struct Sealer {
    deployment: String,
    instance: InstanceId,
    keys: Vec<hmac::Key>,
}

impl Sealer {
    /// `None` without a secret or with a deployment name that is no group name.
    pub(super) fn new(settings: &RedisSettings) -> Option<Self> {
        GroupName::new(&settings.deployment)?;
        let keys: Vec<hmac::Key> = settings
            .secrets
            .iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()))
            .collect();
        (!keys.is_empty()).then(|| Self {
            deployment: settings.deployment.clone(),
            instance: settings.instance,
            keys,
        })
    }

    /// This process.
    pub(super) const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The Redis channel of a group. Group names hold no `:`.
    pub(super) fn group_channel(&self, group: &GroupName) -> String {
        format!("salon:{}:group:{group}", self.deployment)
    }

    /// The Redis channel that only this instance listens on.
    pub(super) fn own_channel(&self) -> String {
        format!("salon:{}:instance:{}", self.deployment, self.instance)
    }

    /// The Redis channel that every instance of the deployment listens on.
    pub(super) fn everyone_channel(&self) -> String {
        format!("salon:{}:everyone", self.deployment)
    }

    /// The group whose Redis channel this is.
    pub(super) fn group_of(&self, channel: &str) -> Option<GroupName> {
        let rest = channel.strip_prefix("salon:")?;
        let rest = rest.strip_prefix(self.deployment.as_str())?;
        GroupName::new(rest.strip_prefix(":group:")?)
    }

    /// The bytes to publish.
    pub(super) fn seal(&self, envelope: &Envelope) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(
            68 + TAG_BYTES + self.deployment.len() + envelope.group.len() + envelope.payload.len(),
        );
        bytes.put_u8(FORMAT);
        bytes.put_u8(envelope.kind.code());
        put_name(&mut bytes, &self.deployment);
        put_name(&mut bytes, &envelope.group);
        bytes.put_slice(envelope.origin.0.as_bytes());
        bytes.put_u64(envelope.number);
        bytes.put_u64(envelope.previous);
        bytes.put_slice(&envelope.payload);
        if let Some(key) = self.keys.first() {
            let tag = hmac::sign(key, &bytes);
            bytes.put_slice(tag.as_ref());
        }
        bytes
    }

    /// What was sealed by an instance of this deployment; `None` for anything else, of whatever kind.
    pub(super) fn open(&self, bytes: Vec<u8>) -> Option<Envelope> {
        let mut signed = Bytes::from(bytes);
        let tag = signed.split_off(signed.len().checked_sub(TAG_BYTES)?);
        if !self
            .keys
            .iter()
            .any(|key| hmac::verify(key, &signed, &tag).is_ok())
        {
            return None;
        }
        let format = signed.try_get_u8().ok()?;
        let code = signed.try_get_u8().ok()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code)?;
        let deployment = take_name(&mut signed)?;
        let group = take_name(&mut signed)?;
        let origin = InstanceId(Uuid::from_u128(signed.try_get_u128().ok()?));
        let number = signed.try_get_u64().ok()?;
        let previous = signed.try_get_u64().ok()?;
        (format == FORMAT && deployment == self.deployment).then_some(Envelope {
            kind,
            group,
            origin,
            number,
            previous,
            payload: signed,
        })
    }
}

/// Names are at most [`super::super::GROUP_NAME_CHARS`] ASCII characters, so their length fits.
fn put_name(bytes: &mut Vec<u8>, name: &str) {
    bytes.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.put_slice(name.as_bytes());
}

fn take_name(bytes: &mut Bytes) -> Option<String> {
    let length = usize::from(bytes.try_get_u8().ok()?);
    if bytes.remaining() < length {
        return None;
    }
    String::from_utf8(bytes.split_to(length).into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secrets: &[&str], deployment: &str) -> Sealer {
        Sealer::new(&RedisSettings {
            url: "redis://127.0.0.1/".into(),
            secrets: secrets.iter().map(|secret| (*secret).into()).collect(),
            deployment: deployment.to_owned(),
            instance: InstanceId::new(),
        })
        .unwrap()
    }

    fn message() -> Envelope {
        Envelope {
            kind: Kind::Message,
            group: "room.1".to_owned(),
            origin: InstanceId::new(),
            number: 7,
            previous: 5,
            payload: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn what_is_sealed_is_opened() {
        let sealer = sealer(&["one"], "salon");
        for kind in Kind::ALL {
            let envelope = Envelope { kind, ..message() };
            assert_eq!(sealer.open(sealer.seal(&envelope)), Some(envelope));
        }
    }

    #[test]
    fn either_secret_opens_and_the_first_one_seals() {
        let (old, both, new) = (
            sealer(&["old"], "salon"),
            sealer(&["new", "old"], "salon"),
            sealer(&["new"], "salon"),
        );
        assert!(both.open(old.seal(&message())).is_some());
        assert!(new.open(both.seal(&message())).is_some());
        assert!(old.open(both.seal(&message())).is_none());
    }

    #[test]
    fn no_changed_byte_and_no_shorter_text_opens() {
        let sealer = sealer(&["one"], "salon");
        let sealed = sealer.seal(&message());
        for index in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[index] ^= 1;
            assert!(sealer.open(forged).is_none(), "byte {index}");
            assert!(sealer.open(sealed[..index].to_vec()).is_none());
        }
    }

    #[test]
    fn another_deployment_with_the_same_secret_is_not_heard() {
        let (one, two) = (sealer(&["same"], "one"), sealer(&["same"], "two"));
        assert!(two.open(one.seal(&message())).is_none());
        let group = GroupName::new("room.1").unwrap();
        assert_eq!(one.group_of(&one.group_channel(&group)), Some(group));
        assert_eq!(
            two.group_of(&one.group_channel(&GroupName::control())),
            None
        );
        assert_eq!(one.group_of(&one.own_channel()), None);
    }
}
