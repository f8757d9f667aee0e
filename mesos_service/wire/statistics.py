"""What isolators measure in a container.

Mesos' block device, perf event, traffic control and SNMP statistics have no source here and are left out.
"""

from __future__ import annotations

from mesos_service.wire.base import Message, UInt32, UInt64
from mesos_service.wire.resources import ResourceDiskInfoPersistence, ResourceDiskInfoSource, ValueRange


class DiskStatistics(Message, kw_only=True):
    source: ResourceDiskInfoSource | None = None
    persistence: ResourceDiskInfoPersistence | None = None
    limit_bytes: UInt64 | None = None
    used_bytes: UInt64 | None = None


class ResourceStatistics(Message, kw_only=True):
    timestamp: float
    processes: UInt32 | None = None
    threads: UInt32 | None = None
    cpus_user_time_secs: float | None = None
    cpus_system_time_secs: float | None = None
    cpus_limit: float | None = None
    cpus_soft_limit: float | None = None
    cpus_nr_periods: UInt32 | None = None
    cpus_nr_throttled: UInt32 | None = None
    cpus_throttled_time_secs: float | None = None
    mem_total_bytes: UInt64 | None = None
    mem_total_memsw_bytes: UInt64 | None = None
    mem_kmem_usage_bytes: UInt64 | None = None
    mem_kmem_tcp_usage_bytes: UInt64 | None = None
    mem_limit_bytes: UInt64 | None = None
    mem_soft_limit_bytes: UInt64 | None = None
    mem_file_bytes: UInt64 | None = None
    mem_anon_bytes: UInt64 | None = None
    mem_cache_bytes: UInt64 | None = None
    mem_rss_bytes: UInt64 | None = None
    mem_mapped_file_bytes: UInt64 | None = None
    mem_swap_bytes: UInt64 | None = None
    mem_unevictable_bytes: UInt64 | None = None
    mem_low_pressure_counter: UInt64 | None = None
    mem_medium_pressure_counter: UInt64 | None = None
    mem_critical_pressure_counter: UInt64 | None = None
    disk_limit_bytes: UInt64 | None = None
    disk_used_bytes: UInt64 | None = None
    disk_statistics: tuple[DiskStatistics, ...] = ()
    net_rx_packets: UInt64 | None = None
    net_rx_bytes: UInt64 | None = None
    net_rx_errors: UInt64 | None = None
    net_rx_dropped: UInt64 | None = None
    net_tx_packets: UInt64 | None = None
    net_tx_bytes: UInt64 | None = None
    net_tx_errors: UInt64 | None = None
    net_tx_dropped: UInt64 | None = None
    net_tx_rate_limit: UInt64 | None = None
    net_tx_burst_rate_limit: UInt64 | None = None
    net_tx_burst_size: UInt64 | None = None
    net_rx_rate_limit: UInt64 | None = None
    net_rx_burst_rate_limit: UInt64 | None = None
    net_rx_burst_size: UInt64 | None = None
    net_rate_statistics: ResourceStatisticsRateStatistics | None = None
    net_ephemeral_ports: ValueRange | None = None
    net_tcp_rtt_microsecs_p50: float | None = None
    net_tcp_rtt_microsecs_p90: float | None = None
    net_tcp_rtt_microsecs_p95: float | None = None
    net_tcp_rtt_microsecs_p99: float | None = None
    net_tcp_active_connections: float | None = None
    net_tcp_time_wait_connections: float | None = None


class ResourceStatisticsRatePercentiles(Message, kw_only=True):
    min: UInt64 | None = None
    max: UInt64 | None = None
    p50: UInt64 | None = None
    p90: UInt64 | None = None
    p95: UInt64 | None = None
    p99: UInt64 | None = None
    p999: UInt64 | None = None
    p9999: UInt64 | None = None
    samples: UInt64 | None = None


class ResourceStatisticsRateStatistics(Message, kw_only=True):
    rx_rate: ResourceStatisticsRatePercentiles | None = None
    rx_packet_rate: ResourceStatisticsRatePercentiles | None = None
    rx_drop_rate: ResourceStatisticsRatePercentiles | None = None
    rx_error_rate: ResourceStatisticsRatePercentiles | None = None
    tx_rate: ResourceStatisticsRatePercentiles | None = None
    tx_packet_rate: ResourceStatisticsRatePercentiles | None = None
    tx_drop_rate: ResourceStatisticsRatePercentiles | None = None
    tx_error_rate: ResourceStatisticsRatePercentiles | None = None
    sampling_window_secs: float | None = None
    sampling_interval_secs: float | None = None
