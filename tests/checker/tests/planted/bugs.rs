//! The 24 planted bugs of the fault matrix (B5), and which check has to see each.

use salon_checker::Check;

/// A bug in the simulated Salon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    PublishBeforeCommit,
    AckBeforeCommit,
    SequenceInsteadOfLockedCounter,
    NoHeadCheck,
    UnauthenticatedBodyTrusted,
    DedupDropped,
    CursorOffByOneAtPageBoundary,
    ResumeFromTheWrongRoom,
    OpenTransactionReused,
    NoFencingOfAttempts,
    ChunkNumberReset,
    MembershipCachedPastItsVersion,
    RevocationOnlyThroughRedis,
    TwoRetriesMakeTwoReplies,
    LostLastMessageNotLookedFor,
    OutOfOrderFlush,
    DoubleSubscribe,
    WallClockUsedForOrder,
    AckNamesAWrongSeq,
    FillSkipsTheLog,
    JoinedVersionGivenAsTheHead,
    LockAndMembershipInOneStatement,
    LostCommitAnsweredFailed,
    DeltaOfASettledReply,
}

/// In the order of the matrix, with the checks that must each see it.
pub(crate) const ALL: [(Bug, &[Check]); 24] = [
    (Bug::PublishBeforeCommit, &[Check::C6]),
    (Bug::AckBeforeCommit, &[Check::C1]),
    (Bug::SequenceInsteadOfLockedCounter, &[Check::C2]),
    (Bug::NoHeadCheck, &[Check::C11]),
    (Bug::UnauthenticatedBodyTrusted, &[Check::C5]),
    (Bug::DedupDropped, &[Check::C7]),
    (Bug::CursorOffByOneAtPageBoundary, &[Check::C3]),
    (Bug::ResumeFromTheWrongRoom, &[Check::C3]),
    (Bug::OpenTransactionReused, &[Check::C1, Check::C12]),
    (Bug::NoFencingOfAttempts, &[Check::C10]),
    (Bug::ChunkNumberReset, &[Check::C10]),
    (Bug::MembershipCachedPastItsVersion, &[Check::C9]),
    (Bug::RevocationOnlyThroughRedis, &[Check::C9]),
    (Bug::TwoRetriesMakeTwoReplies, &[Check::C10]),
    (Bug::LostLastMessageNotLookedFor, &[Check::C11]),
    (Bug::OutOfOrderFlush, &[Check::C3]),
    (Bug::DoubleSubscribe, &[Check::C4]),
    (Bug::WallClockUsedForOrder, &[Check::C8]),
    (Bug::AckNamesAWrongSeq, &[Check::C1, Check::C7]),
    (Bug::FillSkipsTheLog, &[Check::C3]),
    (Bug::JoinedVersionGivenAsTheHead, &[Check::C3]),
    (Bug::LockAndMembershipInOneStatement, &[Check::C9]),
    (Bug::LostCommitAnsweredFailed, &[Check::C6]),
    (Bug::DeltaOfASettledReply, &[Check::C10]),
];
