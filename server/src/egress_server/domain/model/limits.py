"""Limits and defaults of the API, in one place. Times are in seconds, texts in characters unless the name says bytes.

Clients read them in the comments of the proto files; a test compares the two.
"""

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Requests
MAX_REQUEST_BYTES = 1024 * 1024
MAX_REQUEST_ID = 128
MAX_ETAG = 128
MAX_REASON_BYTES = 1024
MAX_SUPPRESSED_FINDINGS = 32
DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_FILTER = 2048

# Scopes and selectors
MAX_LABELS = 64
MAX_CLUSTERS = 1000

# Service entries
MAX_HOSTS = 256
MAX_PORTS = 64
MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 256
MAX_EXPORTS = 256
MAX_SUBJECT_ALT_NAMES = 64
MAX_SUBJECT_ALT_NAME = 253
MAX_NETWORK = 253
MAX_ANNOTATIONS = 64
MAX_ANNOTATION = 4096
MAX_TRAFFIC_TIMEOUT = HOUR
MAX_EJECTION_TIME = DAY
MAX_IDLE_TIMEOUT = 30 * DAY
MAX_RETRIES = 20
MAX_ROUTES = 64
MAX_DESTINATIONS = 32
MAX_HEADER_MATCHES = 32
MAX_HEADER_OPERATIONS = 32
MAX_HEADER_NAME = 128
MAX_HEADER_VALUE = 1024

# Faults
DEFAULT_FAULT_TTL = 10 * MINUTE
MAX_FAULT_TTL = DAY

# Interceptions
MAX_CIDRS = 256
MAX_INTERCEPTION_PORTS = 256

# Meshes and clusters
MAX_DISPLAY_NAME = 63
MAX_PATH = 255
MAX_CONTEXT = 253
MAX_ADOPTED = 1000
MAX_WORKLOADS = 1000
MAX_CLEANUP_WAIT = MINUTE
"""How long a deregistration waits for appliers to clean a cluster; the deadline of the call also applies."""

# Deletions from a cluster that exceed both need an approval.
MASS_DELETION_COUNT = 5
MASS_DELETION_SHARE = 0.2

# Changes
DEFAULT_WAIT = 30.0
MAX_WAIT = 10 * MINUTE
MAX_WAITING_FOR = 10
MAX_PLAN_SAMPLE = 10
"""IDs of clusters listed for each group of a plan."""

# Probes
DEFAULT_PROBE_TIMEOUT = 10.0
MAX_PROBE_TIMEOUT = 30.0
MAX_PROBE_COUNT = 100
MAX_APPLIED_WAIT = MINUTE
"""How long a probe waits for `min_applied_revision`; the deadline of the call also applies."""
MAX_URL = 2048
MAX_PROBE_HEADERS = 32
MAX_PROBE_HEADER_VALUE = 4096
ATTEMPTS_WITH_HEADERS = 3
"""Attempts of a probe returned with response headers: these may have 32 KiB each, and a response at most 4 MiB."""
