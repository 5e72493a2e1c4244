"""What each reason means, and the page of all reasons. A test compares this table with what the source has."""

from collections.abc import Iterator

from egress_server.pipeline.status import DOMAIN
from tools.reference.markdown import table
from tools.reference.reason_scan import Kind, find_reasons

ERRORS = {
    "ABORTED": "A concurrent change got in the way. Read the resource again and retry.",
    "AGENT_BUSY": "The agent already has as many attempts under way as it takes. Retry later.",
    "AGENT_LOST": "The agent detached while it was making the probe. Retry; another agent may be attached.",
    "AGENT_NOT_RESPONDING": "The agent is attached, but did not answer in time.",
    "AGENT_REPLACED": "Another agent with the same name has attached, so this one's stream ended.",
    "ALREADY_EXISTS": "create_only was set, but the resource exists.",
    "BLOCKED_BY_FINDINGS": "A finding of severity ERROR blocks the change. The details list the findings.",
    "CHANGE_NOT_FOUND": "There is no such change, or it is older than the retained history.",
    "CLEANUP_PENDING": "The cluster is deregistered, but its cleanup did not finish before the deadline. It continues.",
    "CLEANUP_REFUSED": "The cluster did not let everything be removed. The message names what remains.",
    "CLUSTER_NOT_FOUND": "The cluster is not registered.",
    "CLUSTER_UNREACHABLE": "The cluster can't be cleaned up: no applier reaches it. Deregister without cleanup.",
    "CONFLICT": "The resource, or something that the change depends on, keeps changing. Retry.",
    "CREDENTIALS_KEY_INVALID": "The file with the credentials key can't be read or does not hold a key.",
    "CURSOR_EXPIRED": "The watch can't resume from this revision: it is no longer retained. Start a new watch.",
    "DEADLINE_EXCEEDED": "The call's deadline expired. A change that was already accepted continues.",
    "ETAG_MISMATCH": "The resource was modified since it was read. Read it again.",
    "FAILED_PRECONDITION": "The state of the system does not allow this call. The message says why.",
    "FAULT_EXPIRED": "The change can't be reverted, because the fault that it would restore has expired.",
    "HELLO_MISSING": "An agent opened a stream but did not introduce itself in time.",
    "HISTORY_EXPIRED": "The previous state of the resource is no longer retained, so the change can't be reverted.",
    "HOST_NOT_ALLOWED": "The Host header is not a name of this server, which protects it from DNS rebinding.",
    "INTERNAL": "An internal error. The metadata has a trace_id, which the server's log has, too.",
    "INVALID_FIELD": "At least one field is invalid. The details list each field and its problem.",
    "INVALID_YAML": "The YAML is not valid, or not an object of the expected kind. The details name the line.",
    "MALFORMED_REQUEST": "The request is not a valid message: wrong JSON, unknown fields, or wrong types.",
    "MESH_NOT_FOUND": "There is no such mesh.",
    "LIVE_UNAVAILABLE": "The agent can't evaluate its sidecar's configuration. The message says why.",
    "METHOD_NOT_ALLOWED": "The REST path exists, but not with this HTTP method. The Allow header lists those it has.",
    "NOT_ADOPTED": "The object can't be released, because it is not adopted on this cluster.",
    "NOT_APPLIED_YET": "The policy to probe is not applied on the cluster yet. Wait for the change and retry.",
    "NOT_FOUND": "The named resource does not exist.",
    "NOT_LATEST_CHANGE": "A later change to the same resource exists. Revert that one first.",
    "NOT_REVERSIBLE": "This kind of change can't be reverted. The message says why.",
    "NOTHING_HELD": "There is nothing to approve or accept: no guard holds the cluster.",
    "NO_AGENT": "No agent that matches the request is attached.",
    "ORIGIN_NOT_ALLOWED": "The page's origin may not call this server. Add it with --cors-origin.",
    "OUT_OF_RANGE": "The requested revision is older than the retained history.",
    "PERMISSION_DENIED": "The caller does not have the permission that this method requires.",
    "REDIS_SERVER_MISSING": "No Redis or Valkey server is installed for the embedded store. See `egressd doctor`.",
    "REQUEST_ID_REUSED": "The request ID was used for a different request within the last hour.",
    "REQUEST_TOO_LARGE": "The request is larger than 1 MiB.",
    "RESOURCE_EXHAUSTED": "A limit has been reached. RetryInfo says when to retry.",
    "RESOURCE_NOT_FOUND": "The resource, or one that the request refers to, does not exist.",
    "ROUTE_NOT_FOUND": "There is no REST endpoint at this path.",
    "SERVER_STOPPING": "The server is shutting down. Retry, with the same request ID if the call changes something.",
    "STORE_FULL": "The store is out of memory. Nothing was written.",
    "STORE_INCOMPATIBLE": "The store's version or settings are not supported. The message says which.",
    "STORE_LOCKED": "Another process uses the same data directory.",
    "STORE_UNAVAILABLE": "The store can't be reached. Reads may still work; retry writes with the same request ID.",
    "TARGET_UNSUPPORTED": "This operation needs a cluster of another kind, usually kubernetes.",
    "TOKEN_MISMATCH": "The approval token is stale: what the guard holds has changed. Review it again.",
    "TOO_MANY_ADOPTED": "The cluster has reached its limit of adopted objects.",
    "UNAVAILABLE": "A dependency is unavailable. A retry may succeed.",
    "UNEXPECTED_BODY": "The REST endpoint takes no request body.",
    "UNIMPLEMENTED": "There is no such gRPC method.",
    "UNSUPPORTED_MEDIA_TYPE": "The REST endpoint does not accept this Content-Type.",
}
STATUSES = {
    "API_SERVER_BUSY": "The API server rejects requests because it is overloaded. Retried as it asks.",
    "CONFIG_UNREADABLE": "Istio's ConfigMap has text that can't be edited reliably. It is left alone.",
    "CONFLICT": "Other clients keep changing the same object. Retried.",
    "CREDENTIALS_MISSING": "The cluster is registered without credentials, and this applier has none of its own.",
    "CREDENTIALS_REFUSED": "The API server does not accept the credentials, or they can't be read.",
    "CREDENTIALS_UNREADABLE": "The credentials were sealed with another key. Register the cluster again.",
    "DIRECTORY_TARGETS_DISABLED": "The applier runs without --directory-root, so it serves no directory clusters.",
    "DNS_WARMING": "Verification waits until the sidecar has resolved the host's addresses.",
    "DRIFTED": "The change is applied, but another client has modified its objects since.",
    "ENVOY_FAILED": "The Envoy of a local cluster did not start. Its log says why.",
    "ENVOY_MISSING": "There is no Envoy for this machine. See `egressd doctor`.",
    "ENVOY_NOT_RESPONDING": "The Envoy of a local cluster did not take its configuration in time. Retried.",
    "ENVOY_REFUSED": "The Envoy of a local cluster rejected its configuration.",
    "FOREIGN_FILE": "A file in the directory cluster's directory was not written by mesh-egress. It is left alone.",
    "FOREIGN_OWNER": "An unmanaged object or field is in the way. See `egressctl cluster adopt`.",
    "INTERNAL": "An internal error in the applier. Its log has the details. Retried.",
    "ISTIOD_DEBOUNCING": "Other clients write so often that istiod delays its push. Verification waits.",
    "MASS_DELETION": "A guard holds the cluster: it would lose many objects. See `egressctl cluster approve`.",
    "NAMESPACE_IGNORED": "MeshConfig's discoverySelectors leave the namespace out: istiod would not read the object.",
    "NAMESPACE_MISSING": "The namespace of the policy does not exist on the cluster. Applied once it does.",
    "NOT_BACK": "A restarted workload did not become ready in time, so the restart stopped there.",
    "NOT_FOUND": "The workload to restart does not exist.",
    "NOT_IN_CLUSTER": "The applier is configured to use its pod's service account, but does not run in a pod.",
    "NOT_PROBED": "No probe can show the change, so it stays APPLIED. The message says why.",
    "NOT_REGISTERED": "The cluster has been deregistered meanwhile.",
    "NO_AGENT": "No agent of the cluster is attached, so the change can't be verified.",
    "NO_APPLIER": "No applier has reported on the cluster yet.",
    "PARTLY_PROBED": "The change is verified, except for what the message names.",
    "PATH_OUTSIDE_ROOT": "The directory cluster's path leads outside --directory-root, or has a symbolic link in it.",
    "PERMISSIONS_MISSING": "The credentials lack permissions. The message lists them.",
    "PROBE_DISAGREES": "The change is applied, but probes contradict the policy.",
    "PROBE_INCONCLUSIVE": "Probes did not give enough evidence for a verdict. Retried.",
    "PROBE_UNREACHABLE": "It went the right way, but the destination could not be reached. Retried.",
    "REFUSED": "The API server rejected an object. The message is its own.",
    "REPLICA_BEHIND": "The applier has not received the newest revision yet. Retried.",
    "REVISION_UNKNOWN": "The store does not have a revision that the applier knows. Retried.",
    "SERVICE_CIDRS_UNKNOWN": "The cluster's service ranges are unknown. Set --service-cidr at its registration.",
    "STATE_NOT_WRITTEN": "The record of what was applied could not be saved. Retried.",
    "STATE_UNREADABLE": "The record of what was applied is not readable. Nothing is changed until it is repaired.",
    "STORE_REWOUND": "A guard holds the cluster: another store managed it. See `egressctl cluster accept-store-reset`.",
    "UNREACHABLE": "The cluster can't be reached. It keeps its last policy. Retried.",
    "UNSUPPORTED": "The cluster can't enforce this policy. The message says why.",
    "VALUES_REFUSED": "New pods would not start with the injector values that the policy needs, so they were put back.",
}
PROBES = {
    "ADDRESS_FORBIDDEN": "Agents do not connect to loopback, link-local or metadata addresses, or to the API server.",
    "AGENT_ERROR": "The agent failed. Its log has the details.",
    "ANSWERED_BY_ROUTE": "A route of a VirtualService answered the request itself: redirect, direct response or 404.",
    "BLOCKED_CLOSED": "The sidecar closed the connection without using any upstream.",
    "BLOCKED_HTTP": "The sidecar answered with 502, without using any upstream.",
    "CLUSTER_BEHIND": "The cluster has not applied the newest policy. The probe is judged by what it has applied.",
    "CLUSTER_WARMING": "The sidecar is still resolving the host's addresses.",
    "COMMAND_INVALID": "The agent did not understand the request: it is older or newer than the server.",
    "COUNTERS_DISTURBED": "Other traffic changed the same counters, so they prove nothing.",
    "CUT_SHORT": "Fewer attempts were made than requested, because the deadline came first.",
    "DOUBLE_TLS": "A DestinationRule starts TLS around the client's own TLS, whose handshake failed.",
    "FAULT_ABORT": "A fault answered the request.",
    "FAULT_DELAY": "A fault delayed the request.",
    "FAULT_SHARE": "A fault applies to a share of the requests. The evidence has the expected count.",
    "METHOD_FORBIDDEN": "Only HEAD and GET are allowed.",
    "NAME_NOT_RESOLVED": "The workload's DNS does not know the host.",
    "NOT_CAPTURED": "iptables did not redirect the connection, so it bypassed the sidecar.",
    "NO_HEALTHY_UPSTREAM": "The sidecar considers no address of the destination healthy, so it answered itself.",
    "NO_MAJORITY": "Two outcomes were equally frequent.",
    "NO_RESPONSE": "The request was sent, but there was no response.",
    "NO_ROUTE": "The workload has no network route to the address.",
    "NO_UPSTREAM_ADDRESS": "The service is registered, but has no address to connect to.",
    "NO_UPSTREAM_EVIDENCE": "The sidecar does not report the counters that would be evidence.",
    "PLAIN_HTTP_TO_TLS": "The sidecar sent plain HTTP to port 443 of the destination, and answered itself.",
    "REGISTERED_UPSTREAM": "The registered service's upstream counted the connection.",
    "REQUEST_INVALID": "The URL or a header can't be sent.",
    "RESOLVED_BY_SIDECAR": "The sidecar looks up the host itself, so it could connect to an address that is forbidden.",
    "RESOLVE_UNUSED": "The sidecar looks up the host itself (DYNAMIC_DNS), so the probe's address would not be used.",
    "ROUTE_LEADS_NOWHERE": "The sidecar's route leads to a destination that it does not have, so it answers 503.",
    "SIDECAR_UNREACHABLE": "The sidecar's admin interface does not answer.",
    "TAKEN_BY_PORT": "A TCP service on the same port took the connection.",
    "TIMED_OUT": "There was no answer before the probe timed out.",
    "TLS_HANDSHAKE_FAILED": "The connection was sent, but the TLS handshake failed.",
    "UNREACHABLE": "The agent could not connect to the sidecar or the destination.",
    "UNREGISTERED_PASSED": "The sidecar let the connection out through PassthroughCluster.",
    "UPSTREAM_CONNECT_FAILED": "The sidecar could not connect to the destination.",
    "UPSTREAM_CONNECT_PENDING": "The sidecar was still connecting to the destination when the probe ended.",
    "UPSTREAM_LIMIT_REACHED": "A limit of connections or requests is reached, so the sidecar answered itself.",
    "UPSTREAM_PROTOCOL_ERROR": "The destination does not speak the declared protocol, or closed the connection.",
    "UPSTREAM_TIMEOUT": "The destination did not answer within the timeout of its route.",
    "WRONG_ROUTE": "The route of another VirtualService than predicted applies.",
    "WRONG_UPSTREAM": "It went to another service, port or subset than policy says.",
}
DESCRIBED = {Kind.ERROR: ERRORS, Kind.STATUS: STATUSES, Kind.PROBE: PROBES}

_HEAD = f"""# Reasons

Reasons are stable identifiers in UPPER_SNAKE_CASE, so scripts can branch on them; messages may change.

## Errors

A failed call has a `google.rpc.Status`: over gRPC in the trailers, over REST as JSON. Its `ErrorInfo` has the reason
(domain `{DOMAIN}`), and the dynamic parts of the message as metadata. Further details may be `BadRequest` (fields),
`RetryInfo`, and findings. `egressctl` prints the reason in parentheses; the SDK has it as `error.reason`.
"""
_STATUS_HEAD = """
## Statuses

The reason for the state of a cluster (`egressctl cluster get`), or of a change on a cluster (`egressctl changes get`).
"""
_PROBE_HEAD = """
## Probes

The cause of a probe's outcome, or why an agent refused to connect.
"""


def reasons_page() -> str:
    """The page, in Markdown."""
    return "\n".join(
        [
            _HEAD,
            table(("Reason", "Code", "Meaning"), _errors()),
            _STATUS_HEAD,
            table(("Reason", "Meaning"), ((f"`{each}`", text) for each, text in sorted(STATUSES.items()))),
            _PROBE_HEAD,
            table(("Reason", "Meaning"), ((f"`{each}`", text) for each, text in sorted(PROBES.items()))),
        ]
    )


def _errors() -> Iterator[tuple[str, str, str]]:
    found = find_reasons()
    for reason, text in sorted(ERRORS.items()):
        codes = sorted({each.code for each in found if each.reason == reason and each.kind is Kind.ERROR} - {""})
        yield f"`{reason}`", ", ".join(codes), text
