"""Which error of a send means that the record is certainly not in the log.

A record that was handed to the library comes back `ok` or with an error, and most errors leave it open whether the
record was written: an answer may be lost after the append. So everything is `unknown` but a short list.

A refusal of one attempt is not the refusal of the record. The library reports the last error only, and a batch
whose answer was lost is sent again: the broker appended the first attempt, shrank its ISR, and refused the second
with NOT_ENOUGH_REPLICAS before it looked for a repetition. The library's purge, too, gives _PURGE_QUEUE to what
waits for its *second* attempt. Such errors are `failed` only where the settings allow a single attempt (`retries=0`).
(Jepsen's Redpanda suite names authorization and a few more as failed, and leaves NOT_ENOUGH_REPLICAS open.)

Not covered here: what `produce()` itself refuses. It was never queued, and is `failed` whatever the error.
"""

from __future__ import annotations

from enum import StrEnum

from confluent_kafka import KafkaError


class Outcome(StrEnum):
    """How a send ended, in the words of the history."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNACKNOWLEDGED = "unacknowledged"


FAILED = {
    "TOPIC_AUTHORIZATION_FAILED": "the broker asks for permission before it looks at the records",
    "CLUSTER_AUTHORIZATION_FAILED": "no permission for idempotent writes: asked before the records are looked at",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "no permission for the transaction: asked before the append",
    "TOPIC_EXCEPTION": "no topic can have this name, so no attempt can have been appended",
    "_QUEUE_FULL": "never queued",
    "_INVALID_ARG": "never queued",
}
"""Errors after which the record is certainly not in the log, each with the reason."""

FAILED_IF_ONLY_ATTEMPT = {
    "_PURGE_QUEUE": "purged before this attempt was sent",
    "_UNKNOWN_TOPIC": "the library found no such topic, and sent nothing",
    "_UNKNOWN_PARTITION": "the library found no such partition, and sent nothing",
    "UNKNOWN_TOPIC_OR_PART": "the broker has no such replica to append to",
    "NOT_ENOUGH_REPLICAS": "the leader counts its ISR before it appends",
    "MSG_SIZE_TOO_LARGE": "the leader measures the batch before it appends",
    "RECORD_LIST_TOO_LARGE": "the leader measures the batch before it appends",
    "INVALID_MSG": "the leader checks the batch's checksum before it appends",
    "INVALID_RECORD": "the leader validates the records before it appends",
    "INVALID_TIMESTAMP": "the leader validates the records before it appends",
    "INVALID_REQUIRED_ACKS": "the broker refuses the request as a whole",
    "UNSUPPORTED_COMPRESSION_TYPE": "the broker refuses the request as a whole",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT": "the leader validates the records before it appends",
    "POLICY_VIOLATION": "the leader validates the records before it appends",
}
"""Errors that refuse one attempt for certain: the record has failed if there was no other."""

UNKNOWN = frozenset(
    """
    BROKER_NOT_AVAILABLE CONCURRENT_TRANSACTIONS COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE
    DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_AUTH_DISABLED DELEGATION_TOKEN_EXPIRED
    DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
    DUPLICATE_RESOURCE DUPLICATE_SEQUENCE_NUMBER DUPLICATE_VOTER ELECTION_NOT_NEEDED
    ELIGIBLE_LEADERS_NOT_AVAILABLE FEATURE_UPDATE_FAILED FENCED_INSTANCE_ID FENCED_LEADER_EPOCH
    FENCED_MEMBER_EPOCH FENCED_STATE_EPOCH FETCH_SESSION_ID_NOT_FOUND GROUP_AUTHORIZATION_FAILED
    GROUP_ID_NOT_FOUND GROUP_MAX_SIZE_REACHED GROUP_SUBSCRIBED_TO_TOPIC ILLEGAL_GENERATION
    ILLEGAL_SASL_STATE INCONSISTENT_GROUP_PROTOCOL INCONSISTENT_TOPIC_ID INCONSISTENT_VOTER_SET
    INVALID_COMMIT_OFFSET_SIZE INVALID_CONFIG INVALID_FETCH_SESSION_EPOCH INVALID_GROUP_ID
    INVALID_MSG_SIZE INVALID_PARTITIONS INVALID_PRINCIPAL_TYPE INVALID_PRODUCER_EPOCH
    INVALID_PRODUCER_ID_MAPPING INVALID_RECORD_STATE INVALID_REGISTRATION INVALID_REGULAR_EXPRESSION
    INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT INVALID_REQUEST INVALID_SESSION_TIMEOUT
    INVALID_SHARE_SESSION_EPOCH INVALID_TRANSACTION_TIMEOUT INVALID_TXN_STATE INVALID_UPDATE_VERSION
    INVALID_VOTER_KEY KAFKA_STORAGE_ERROR LEADER_NOT_AVAILABLE LISTENER_NOT_FOUND LOG_DIR_NOT_FOUND
    MEMBER_ID_REQUIRED MISMATCHED_ENDPOINT_TYPE NETWORK_EXCEPTION NON_EMPTY_GROUP NOT_CONTROLLER
    NOT_COORDINATOR NOT_ENOUGH_REPLICAS_AFTER_APPEND NOT_LEADER_FOR_PARTITION NO_REASSIGNMENT_IN_PROGRESS
    OFFSET_METADATA_TOO_LARGE OFFSET_NOT_AVAILABLE OFFSET_OUT_OF_RANGE OPERATION_NOT_ATTEMPTED
    OUT_OF_ORDER_SEQUENCE_NUMBER PREFERRED_LEADER_NOT_AVAILABLE PRINCIPAL_DESERIALIZATION_FAILURE
    PRODUCER_FENCED REASSIGNMENT_IN_PROGRESS REBALANCE_IN_PROGRESS REBOOTSTRAP_REQUIRED
    REPLICA_NOT_AVAILABLE REQUEST_TIMED_OUT RESOURCE_NOT_FOUND SASL_AUTHENTICATION_FAILED
    SECURITY_DISABLED SHARE_SESSION_LIMIT_REACHED SHARE_SESSION_NOT_FOUND STALE_BROKER_EPOCH
    STALE_CTRL_EPOCH STALE_MEMBER_EPOCH STREAMS_INVALID_TOPOLOGY STREAMS_INVALID_TOPOLOGY_EPOCH
    STREAMS_TOPOLOGY_FENCED TELEMETRY_TOO_LARGE THROTTLING_QUOTA_EXCEEDED TOPIC_ALREADY_EXISTS
    TOPIC_DELETION_DISABLED TRANSACTION_ABORTABLE TRANSACTION_COORDINATOR_FENCED UNACCEPTABLE_CREDENTIAL
    UNKNOWN UNKNOWN_CONTROLLER_ID UNKNOWN_LEADER_EPOCH UNKNOWN_MEMBER_ID UNKNOWN_PRODUCER_ID
    UNKNOWN_SUBSCRIPTION_ID UNKNOWN_TOPIC_ID UNRELEASED_INSTANCE_ID UNSTABLE_OFFSET_COMMIT
    UNSUPPORTED_ASSIGNOR UNSUPPORTED_ENDPOINT_TYPE UNSUPPORTED_SASL_MECHANISM UNSUPPORTED_VERSION
    VOTER_NOT_FOUND _ALL_BROKERS_DOWN _APPLICATION _ASSIGNMENT_LOST _ASSIGN_PARTITIONS _AUTHENTICATION
    _AUTO_OFFSET_RESET _BAD_COMPRESSION _BAD_MSG _CONFLICT _CRIT_SYS_RESOURCE _DESTROY _DESTROY_BROKER
    _EXISTING_SUBSCRIPTION _FAIL _FATAL _FENCED _FS _GAPLESS_GUARANTEE _INCONSISTENT _INTR
    _INVALID_DIFFERENT_RECORD _INVALID_TYPE _IN_PROGRESS _ISR_INSUFF _KEY_DESERIALIZATION
    _KEY_SERIALIZATION _LOG_TRUNCATION _MAX_POLL_EXCEEDED _MSG_TIMED_OUT _NODE_UPDATE _NOENT _NOOP
    _NOT_CONFIGURED _NOT_IMPLEMENTED _NO_OFFSET _OUTDATED _PARTIAL _PARTITION_EOF _PREV_IN_PROGRESS
    _PURGE_INFLIGHT _READ_ONLY _RESOLVE _RETRY _REVOKE_PARTITIONS _SSL _STATE _TIMED_OUT _TIMED_OUT_QUEUE
    _TRANSPORT _UNDERFLOW _UNKNOWN_BROKER _UNKNOWN_GROUP _UNKNOWN_PROTOCOL _UNSUPPORTED_FEATURE
    _VALUE_DESERIALIZATION _VALUE_SERIALIZATION _WAIT_CACHE _WAIT_COORD
    """.split()  # noqa: SIM905 - 166 names one to a line would hide the table
)
"""Everything else that the library knows. NOT_ENOUGH_REPLICAS_AFTER_APPEND says itself that it was appended;
_MSG_TIMED_OUT, NOT_LEADER_FOR_PARTITION and _TRANSPORT may have lost an answer; a fenced or repeated sequence number
speaks of this attempt, not of the one before."""


def code_names() -> dict[int, str]:
    """Return the name of every error code that the installed library knows."""
    return {
        number: name
        for name in dir(KafkaError)
        if name.isupper() and isinstance(number := getattr(KafkaError, name), int)
    }


def outcome_of(error: str | None, *, only_attempt: bool) -> Outcome:
    """Return the outcome of a record whose delivery was reported with this error name (None: no error).

    A name that is nowhere in the table is `unknown`: doubt is never a claim.
    """
    if error is None or error == "NO_ERROR":
        return Outcome.OK
    if error in FAILED or (only_attempt and error in FAILED_IF_ONLY_ATTEMPT):
        return Outcome.FAILED
    return Outcome.UNKNOWN
