"""Faults in Istio's VirtualService: the source document's is accepted unchanged; everything else is refused with its
path."""

import pytest

from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, MatchKind, StringMatch
from egress_server.domain.validate import Problems
from egress_server.formats.virtual_service import ParsedFault, parse_fault
from tests.support.paths import ROOT
from tests.support.violations import violations_of

EXAMPLES = ROOT / "examples"
HEAD = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\n"
TO_BANK = "route: [{destination: {host: bank.example}}]"
DELAY = "fault: {delay: {percentage: {value: 50}, fixedDelay: 2s}}"
WHOLE = """
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: bank, namespace: prod, labels: {app: shop}, uid: 0b5c}
spec:
  hosts: [Bank.example]
  gateways: [mesh]
  exportTo: ["*"]
  http:
  - name: slow
    match:
    - name: web
      port: 80
      headers: {x-user: {exact: me}, x-team: {}, cookie: {regex: ".*a.*"}, x-app: {prefix: shop}}
      sourceLabels: {app: shop}
      sourceNamespace: shop
    - port: 8080
      headers: {cookie: {regex: ".*a.*"}, x-app: {prefix: shop}, x-team: , x-user: {exact: me}}
      sourceLabels: {app: shop}
      sourceNamespace: shop
    fault:
      delay: {percentage: {value: 0.5}, fixedDelay: 1m1.5s}
      abort: {percent: 7, grpcStatus: UNAVAILABLE}
    route:
    - destination: {host: bank.EXAMPLE}
      weight: 100
  - name: fallback
    route: [{destination: {host: bank.example}}]
"""


def spec(http: str, rest: str = "") -> str:
    """A VirtualService for bank.example with routes, each in braces."""
    return f"{HEAD}spec: {{hosts: [bank.example], http: [{http}], {rest}}}"


def parse(text: str) -> tuple[ParsedFault | None, list[tuple[str, str]]]:
    """What was read, and the problems."""
    problems = Problems()
    parsed = parse_fault(text, problems)
    return parsed, violations_of(problems.raise_if_any)


def test_the_documents_file_is_read() -> None:
    """The example of the source document, unchanged, with the deprecated percent."""
    parsed, problems = parse((EXAMPLES / "aliyun-virtualservice.yaml").read_text())
    assert problems == []
    assert parsed is not None
    assert (parsed.id, parsed.namespace) == ("aliyun-com-ext", "")
    assert parsed.fault == Fault("", "www.aliyun.com", 0.0, Delay(5.0, 100.0))


def test_every_field_is_read() -> None:
    """Conditions that differ only in the port are one fault for several ports; a fallback is implied."""
    parsed, problems = parse(WHOLE)
    assert problems == []
    assert parsed is not None
    assert (parsed.id, parsed.namespace) == ("bank", "prod")
    assert parsed.fault == Fault(
        "",
        "bank.example",
        0.0,
        Delay(61.5, 0.5),
        Abort(0, "UNAVAILABLE", 7.0),
        (80, 8080),
        (
            HeaderMatch("x-user", MatchKind.EXACT, "me"),
            HeaderMatch("x-team"),
            HeaderMatch("cookie", MatchKind.REGEX, ".*a.*"),
            HeaderMatch("x-app", MatchKind.PREFIX, "shop"),
        ),
        {"app": "shop"},
        "shop",
    )


def test_path_method_and_host_header_are_read() -> None:
    """What most examples of faults match."""
    match = "{uri: {prefix: /orders}, method: {exact: POST}, authority: {regex: 'a|b'}}"
    parsed, problems = parse(spec(f"{{match: [{match}], {DELAY}, {TO_BANK}}}"))
    assert problems == []
    assert parsed is not None
    assert parsed.fault.match_uri == StringMatch(MatchKind.PREFIX, "/orders")
    assert parsed.fault.match_method == StringMatch(MatchKind.EXACT, "POST")
    assert parsed.fault.match_authority == StringMatch(MatchKind.REGEX, "a|b")
    assert parsed.yaml_path("match_uri.prefix") == "spec.http[0].match[0].uri.prefix"


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("host", "spec.hosts[0]"),
        ("delay.fixed_delay", "spec.http[0].fault.delay.fixedDelay"),
        ("delay.percent", "spec.http[0].fault.delay.percentage.value"),
        ("abort", "spec.http[0].fault.abort"),
        ("abort.percent", "spec.http[0].fault.abort.percent"),
        ("abort.grpc_status", "spec.http[0].fault.abort.grpcStatus"),
        ("ports[1]", "spec.http[0].match[1].port"),
        ("match_headers[2].name", 'spec.http[0].match[0].headers["cookie"]'),
        ("match_headers[2].regex", 'spec.http[0].match[0].headers["cookie"].regex'),
        ('source_labels["app"]', 'spec.http[0].match[0].sourceLabels["app"]'),
        ("source_namespace", "spec.http[0].match[0].sourceNamespace"),
    ],
)
def test_fields_are_found_in_the_yaml(field: str, path: str) -> None:
    """Problems that are found in the fault later are reported at their place in the YAML."""
    parsed, _ = parse(WHOLE)
    assert parsed is not None
    assert parsed.yaml_path(field) == path


NEVER = "is required: to Istio, a missing percentage means never; use 100 for always"
HTTP = "spec.http[0]"
REFUSED: dict[str, tuple[str, str, str]] = {
    "another kind": (HEAD.replace("VirtualService", "Gateway"), "kind", "must be VirtualService, not Gateway"),
    "another API": (HEAD.replace("istio.io/v1", "istio.io/v2"), "apiVersion", "networking.istio.io/v2"),
    "no fault": (spec(f"{{{TO_BANK}}}"), "spec.http", "traffic.timeout (--request-timeout)"),
    "two faults": (
        spec(f"{{{DELAY}, {TO_BANK}}}, {{{DELAY}, {TO_BANK}}}"),
        "spec.http[1].fault",
        "one fault at a time",
    ),
    "two hosts": (
        f"{HEAD}spec: {{hosts: [bank.example, b.example], http: [{{{DELAY}, {TO_BANK}}}]}}",
        "spec.hosts",
        "exactly one host",
    ),
    "gateway": (spec(f"{{{DELAY}, {TO_BANK}}}", "gateways: [mesh, prod/gw]"), "spec.gateways[1]", "not to gateways"),
    "kept to some": (spec(f"{{{DELAY}, {TO_BANK}}}", 'exportTo: ["."]'), "spec.exportTo", "use sourceNamespace"),
    "TLS routes": (spec(f"{{{DELAY}, {TO_BANK}}}", "tls: []"), "spec.tls", "HTTP requests only"),
    "no share": (spec(f"{{fault: {{delay: {{fixedDelay: 2s}}}}, {TO_BANK}}}"), f"{HTTP}.fault.delay.percentage", NEVER),
    "empty share": (
        spec(f"{{fault: {{abort: {{percentage: {{}}, httpStatus: 503}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.abort.percentage",
        NEVER,
    ),
    "two shares": (
        spec(f"{{fault: {{abort: {{percentage: {{value: 1}}, percent: 1, httpStatus: 503}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.abort.percent",
        "may be set",
    ),
    "share in words": (
        spec(f"{{fault: {{abort: {{percentage: {{value: all}}, httpStatus: 503}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.abort.percentage.value",
        "must be a number",
    ),
    "part of a percent, in the old form": (
        spec(f"{{fault: {{abort: {{percent: 0.5, httpStatus: 503}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.abort.percent",
        "integer",
    ),
    "delay without a unit": (
        spec(f'{{fault: {{delay: {{percent: 1, fixedDelay: "5"}}}}, {TO_BANK}}}'),
        f"{HTTP}.fault.delay.fixedDelay",
        "such as 5s",
    ),
    "two errors": (
        spec(f"{{fault: {{abort: {{percent: 1, httpStatus: 503, grpcStatus: OK}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.abort.grpcStatus",
        "may be set",
    ),
    "exponential": (
        spec(f"{{fault: {{delay: {{percent: 1, exponentialDelay: 1s}}}}, {TO_BANK}}}"),
        f"{HTTP}.fault.delay.exponentialDelay",
        "not a supported field",
    ),
    "rewrite": (spec(f"{{{DELAY}, {TO_BANK}, rewrite: {{uri: /}}}}"), f"{HTTP}.rewrite", "not a supported field"),
    "mirror": (spec(f"{{{DELAY}, {TO_BANK}, mirror: {{host: a.b}}}}"), f"{HTTP}.mirror", "not a supported field"),
    "timeout": (spec(f"{{{DELAY}, {TO_BANK}, timeout: 3s}}"), f"{HTTP}.timeout", "traffic.timeout"),
    "retries": (spec(f"{{{DELAY}, {TO_BANK}, retries: {{attempts: 3}}}}"), f"{HTTP}.retries", "traffic.retries"),
    "no route": (spec(f"{{{DELAY}}}"), f"{HTTP}.route", "must have exactly one destination, bank.example"),
    "another host": (
        spec(f"{{{DELAY}, route: [{{destination: {{host: evil.example}}}}]}}"),
        f"{HTTP}.route[0].destination.host",
        "must be bank.example",
    ),
    "split": (
        spec(f"{{{DELAY}, route: [{{destination: {{host: bank.example}}}}, {{destination: {{host: bank.example}}}}]}}"),
        f"{HTTP}.route",
        "must have exactly one destination",
    ),
    "half": (
        spec(f"{{{DELAY}, route: [{{destination: {{host: bank.example}}, weight: 50}}]}}"),
        f"{HTTP}.route[0].weight",
        "100",
    ),
    "subset": (
        spec(f"{{{DELAY}, route: [{{destination: {{host: bank.example, subset: v1}}}}]}}"),
        f"{HTTP}.route[0].destination.subset",
        "not a supported field",
    ),
    "query": (
        spec(f"{{match: [{{queryParams: {{a: {{exact: b}}}}}}], {DELAY}, {TO_BANK}}}"),
        f"{HTTP}.match[0].queryParams",
        "not a supported field",
    ),
    "two paths": (
        spec(f"{{match: [{{uri: {{prefix: /a}}}}, {{uri: {{prefix: /b}}}}], {DELAY}, {TO_BANK}}}"),
        f"{HTTP}.match[1]",
        "inject a separate fault for other conditions",
    ),
    "path compared twice": (
        spec(f"{{match: [{{uri: {{prefix: /a, exact: /ab}}}}], {DELAY}, {TO_BANK}}}"),
        f"{HTTP}.match[0].uri",
        "one of exact, prefix and regex",
    ),
    "alternatives": (
        spec(f"{{match: [{{headers: {{a: {{}}}}}}, {{headers: {{b: {{}}}}}}], {DELAY}, {TO_BANK}}}"),
        f"{HTTP}.match[1]",
        "inject a separate fault for other conditions",
    ),
    "two ways to compare": (
        spec(f"{{match: [{{headers: {{a: {{exact: x, prefix: x}}}}}}], {DELAY}, {TO_BANK}}}"),
        f'{HTTP}.match[0].headers["a"]',
        "one of exact, prefix and regex",
    ),
    "unknown way to compare": (
        spec(f"{{match: [{{headers: {{a: {{suffix: x}}}}}}], {DELAY}, {TO_BANK}}}"),
        f'{HTTP}.match[0].headers["a"].suffix',
        "not a supported field",
    ),
    "value without a way": (
        spec(f"{{match: [{{headers: {{a: x}}}}], {DELAY}, {TO_BANK}}}"),
        f'{HTTP}.match[0].headers["a"]',
        "must be a mapping",
    ),
    "a route before": (
        spec(f"{{{TO_BANK}}}, {{{DELAY}, {TO_BANK}}}"),
        HTTP,
        "takes precedence over the route with the fault",
    ),
    "a route for some": (
        spec(f"{{{DELAY}, {TO_BANK}}}, {{match: [{{port: 80}}], {TO_BANK}}}"),
        "spec.http[1].match",
        "which must match all other requests",
    ),
    "a fallback elsewhere": (
        spec(f"{{{DELAY}, {TO_BANK}}}, {{redirect: {{uri: /}}, {TO_BANK}}}"),
        "spec.http[1].redirect",
        "not a supported field",
    ),
    "unknown in spec": (spec(f"{{{DELAY}, {TO_BANK}}}", "hostz: []"), "spec.hostz", "not a supported field"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_lost_is_refused(case: str) -> None:
    """There is one problem, at the right path."""
    text, path, why = REFUSED[case]
    _, problems = parse(text)
    assert [field for field, _ in problems] == [path]
    assert why in problems[0][1]


def test_a_match_without_port_is_for_all_ports() -> None:
    """Of alternatives with equal conditions the widest one applies."""
    parsed, problems = parse(spec(f"{{match: [{{port: 80}}, {{}}], {DELAY}, {TO_BANK}}}"))
    assert problems == []
    assert parsed is not None
    assert parsed.fault.ports == ()
