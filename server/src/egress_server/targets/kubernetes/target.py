"""A Kubernetes cluster with Istio as the delivery loop sees it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from egress_server.domain.errors import PermanentError
from egress_server.domain.render.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, ObjectKey
from egress_server.domain.resources import Cluster, KubernetesTarget
from egress_server.domain.rollout import UNSUPPORTED, Problem
from egress_server.ports.target import Applied, Fit, Live, Witness
from egress_server.targets.kubernetes import fit as fitting
from egress_server.targets.kubernetes import kinds
from egress_server.targets.kubernetes.answers import outside
from egress_server.targets.kubernetes.apply import Apply
from egress_server.targets.kubernetes.cache import Cache
from egress_server.targets.kubernetes.client import Client
from egress_server.targets.kubernetes.fault_ends import end_faults
from egress_server.targets.kubernetes.parts import PARTS, home_of
from egress_server.targets.kubernetes.parts.part import part
from egress_server.targets.kubernetes.reflector import Followed
from egress_server.targets.kubernetes.seen import Seen
from egress_server.targets.kubernetes.state import NAME, Held, State, read_state, state_key
from egress_server.targets.kubernetes.view import KubernetesLive, View
