"""The kinds of objects we use, and their paths on the API server."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ApiKind:
    """A kind of object, in the version that is served."""

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Its apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of the list in all namespaces or in one, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{space}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


ISTIO = "networking.istio.io"

SERVICE_ENTRY = ApiKind("ServiceEntry", "serviceentries", ISTIO)
VIRTUAL_SERVICE = ApiKind("VirtualService", "virtualservices", ISTIO)
DESTINATION_RULE = ApiKind("DestinationRule", "destinationrules", ISTIO)
SIDECAR = ApiKind("Sidecar", "sidecars", ISTIO)
ISTIO_KINDS = (SERVICE_ENTRY, VIRTUAL_SERVICE, DESTINATION_RULE, SIDECAR)

ENVOY_FILTER = ApiKind("EnvoyFilter", "envoyfilters", ISTIO)
WASM_PLUGIN = ApiKind("WasmPlugin", "wasmplugins", "extensions.istio.io", "v1alpha1")
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY_ROUTES = (
    ApiKind("HTTPRoute", "httproutes", GATEWAY_API),
    ApiKind("GRPCRoute", "grpcroutes", GATEWAY_API),
    ApiKind("TLSRoute", "tlsroutes", GATEWAY_API),
    ApiKind("TCPRoute", "tcproutes", GATEWAY_API),
)
WORKLOAD_ENTRY = ApiKind("WorkloadEntry", "workloadentries", ISTIO)

NAMESPACE = ApiKind("Namespace", "namespaces", namespaced=False)
SERVICE = ApiKind("Service", "services")
ENDPOINT_SLICE = ApiKind("EndpointSlice", "endpointslices", "discovery.k8s.io")
CONFIG_MAP = ApiKind("ConfigMap", "configmaps")
SECRET = ApiKind("Secret", "secrets")
POD = ApiKind("Pod", "pods")
DEPLOYMENT = ApiKind("Deployment", "deployments", "apps")
STATEFUL_SET = ApiKind("StatefulSet", "statefulsets", "apps")
DAEMON_SET = ApiKind("DaemonSet", "daemonsets", "apps")
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

MANAGED_KINDS = {kind.name: kind for kind in (*ISTIO_KINDS, ADMISSION_POLICY, ADMISSION_BINDING)}
"""The kinds of objects that we create, by name."""


STATE_CONFIG_MAP = "egress-state"
"""Our record on the cluster, in Istio's root namespace."""
ANNOTATION_PREFIX = "egress.mesh/"
"""Of all annotations that we write."""
