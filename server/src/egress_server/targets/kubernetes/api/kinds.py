"""The kinds of objects that are dealt with, and where the API server has them."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Kind:
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

SERVICE_ENTRY = Kind("ServiceEntry", "serviceentries", ISTIO)
VIRTUAL_SERVICE = Kind("VirtualService", "virtualservices", ISTIO)
DESTINATION_RULE = Kind("DestinationRule", "destinationrules", ISTIO)
SIDECAR = Kind("Sidecar", "sidecars", ISTIO)
OF_ISTIO = (SERVICE_ENTRY, VIRTUAL_SERVICE, DESTINATION_RULE, SIDECAR)

NAMESPACE = Kind("Namespace", "namespaces", namespaced=False)
SERVICE = Kind("Service", "services")
CONFIG_MAP = Kind("ConfigMap", "configmaps")
SECRET = Kind("Secret", "secrets")
POD = Kind("Pod", "pods")
DEPLOYMENT = Kind("Deployment", "deployments", "apps")
STATEFUL_SET = Kind("StatefulSet", "statefulsets", "apps")
DAEMON_SET = Kind("DaemonSet", "daemonsets", "apps")
REPLICA_SET = Kind("ReplicaSet", "replicasets", "apps")
SERVICE_CIDR = Kind("ServiceCIDR", "servicecidrs", "networking.k8s.io", namespaced=False)

ADMISSION = "admissionregistration.k8s.io"
ADMISSION_POLICY = Kind("MutatingAdmissionPolicy", "mutatingadmissionpolicies", ADMISSION, namespaced=False)
ADMISSION_BINDING = Kind(
    "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", ADMISSION, namespaced=False
)
INJECTION_WEBHOOK = Kind("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", ADMISSION, namespaced=False)
ACCESS_REVIEW = Kind("SelfSubjectAccessReview", "selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)

WRITTEN = {kind.name: kind for kind in (*OF_ISTIO, ADMISSION_POLICY, ADMISSION_BINDING)}
"""The kinds of objects that we make, by name."""
