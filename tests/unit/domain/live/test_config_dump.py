"""Reading Envoy's /config_dump."""

import pytest

from egress_server.domain.live.config import parse_config_dump

CLUSTER = {"@type": "x.Cluster", "name": "a"}


def test_a_whole_dump() -> None:
    """Its sections by type, with versions, rejections and what is warming."""
    config = parse_config_dump(
        {
            "configs": [
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                    "version_info": "7",
                    "static_clusters": [{"cluster": {"name": "static"}, "last_updated": "2026-01-01T00:00:00.000Z"}],
                    "dynamic_active_clusters": [{"cluster": CLUSTER, "last_updated": "2026-01-02T00:00:00.000Z"}],
                    "dynamic_warming_clusters": [{"cluster": {"name": "warming"}}],
                },
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
                    "version_info": "8",
                    "dynamic_listeners": [
                        {
                            "name": "l",
                            "active_state": {"listener": {"name": "l"}, "last_updated": "2026-01-03T00:00:00.000Z"},
                            "error_state": {"failed_configuration": {"name": "l"}, "details": "too bad"},
                        },
                        {"name": "warming", "warming_state": {"listener": {"name": "warming"}}},
                    ],
                },
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
                    "dynamic_route_configs": [{"route_config": {"name": "80"}}],
                },
                {
                    "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
                    "dynamic_endpoint_configs": [{"endpoint_config": {"cluster_name": "a"}}],
                },
                {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {}},
            ]
        }
    )
    assert [each["name"] for each in config.listeners] == ["l"]
    assert (set(config.clusters), set(config.warming)) == ({"static", "a"}, {"warming"})
    assert (set(config.routes), set(config.endpoints)) == ({"80"}, {"a"})
    assert config.rejected == ("l: too bad",)
    assert (config.versions, config.updated) == ({"clusters": "7", "listeners": "8"}, "2026-01-03T00:00:00.000Z")


def test_pages_of_one_kind_are_merged() -> None:
    """Those of `resource=`."""
    page = {
        "configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster", "cluster": CLUSTER}
        ]
    }
    other = {"configs": [{"route_config": {"name": "80"}}]}
    merged = parse_config_dump(page).merge(parse_config_dump(other))
    assert (set(merged.clusters), set(merged.routes)) == ({"a"}, {"80"})
    assert parse_config_dump({}).clusters == {}


@pytest.mark.parametrize("page", [{"configs": 1}, {"configs": ["x"]}, {"configs": [{"cluster": {}}]}, []])
def test_an_invalid_page(page: object) -> None:
    """Is an error of one kind."""
    with pytest.raises(ValueError, match="not a configuration dump"):
        parse_config_dump(page)  # type: ignore[arg-type]
