"""The kinds of objects that are dealt with, and where the API server has them."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ApiKind:
    """A kind of object, as one version serves it."""

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As its objects say it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of the list in all namespaces or in one, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{space}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


ISTIO = "networking.istio.io"

SERVICE_ENTRY = ApiKind("ServiceEntry", "serviceentries", ISTIO)
VIRTUAL_SERVICE = ApiKind("VirtualService", "virtualservices", ISTIO)
DESTINATION_RULE = ApiKind("DestinationRule", "destinationrules", ISTIO)
SIDECAR = ApiKind("Sidecar", "sidecars", ISTIO)
OF_ISTIO = (SERVICE_ENTRY, VIRTUAL_SERVICE, DESTINATION_RULE, SIDECAR)

NAMESPACE = ApiKind("Namespace", "namespaces", namespaced=False)
SERVICE = ApiKind("Service", "services")
CONFIG_MAP = ApiKind("ConfigMap", "configmaps")
SECRET = ApiKind("Secret", "secrets")
POD = ApiKind("Pod", "pods")
DEPLOYMENT = ApiKind("Deployment", "deployments", "apps")
STATEFUL_SET = ApiKind("StatefulSet", "statefulsets", "apps")
DAEMON_SET = ApiKind("DaemonSet", "daemonsets", "apps")
REPLICA_SET = ApiKind("ReplicaSet", "replicasets", "apps")
SERVICE_CIDR = ApiKind("ServiceCIDR", "servicecidrs", "networking.k8s.io", namespaced=False)

ADMISSION = "admissionregistration.k8s.io"
ADMISSION_POLICY = ApiKind("MutatingAdmissionPolicy", "mutatingadmissionpolicies", ADMISSION, namespaced=False)
ADMISSION_BINDING = ApiKind(
    "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", ADMISSION, namespaced=False
)
INJECTION_WEBHOOK = ApiKind(
    "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", ADMISSION, namespaced=False
)
ACCESS_REVIEW = ApiKind("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)

WRITTEN = {kind.name: kind for kind in (*OF_ISTIO, ADMISSION_POLICY, ADMISSION_BINDING)}
"""The kinds of objects that we make, by name."""


STATE_CONFIG_MAP = "egress-state"
OUR_ANNOTATIONS = "egress.mesh/"
