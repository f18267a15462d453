"""Prometheus metrics of the GPUs that a process can see, read from NVIDIA's management library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..logging import get_logger

__all__ = ["watch_gpus"]

log = get_logger(__name__)


@cache
def watch_gpus() -> None:
    """Add metrics of this machine's GPUs, if it has any. A second call changes nothing."""
    REGISTRY.register(_Gpus())


class _Gpus(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return use and memory of each GPU; no samples where there is no GPU."""
        busy = GaugeMetricFamily(
            "a3t_gpu_busy_ratio", "Share of the last second in which the GPU computed", labels=["gpu"]
        )
        used = GaugeMetricFamily(
            "a3t_gpu_memory_used_bytes", "Memory of the GPU that all processes use", labels=["gpu"]
        )
        total = GaugeMetricFamily("a3t_gpu_memory_bytes", "Memory of the GPU", labels=["gpu"])
        for number, (share, taken, size) in enumerate(_figures()):
            busy.add_metric([str(number)], share)
            used.add_metric([str(number)], taken)
            total.add_metric([str(number)], size)
        return busy, used, total


def _figures() -> Iterator[tuple[float, float, float]]:
    """Yield for each GPU the share of time in which it was busy, its used bytes and its bytes in all."""
    library = _library()
    if library is None:
        return
    try:
        for number in range(library.nvmlDeviceGetCount()):
            device = library.nvmlDeviceGetHandleByIndex(number)
            memory = library.nvmlDeviceGetMemoryInfo(device)
            yield library.nvmlDeviceGetUtilizationRates(device).gpu / 100, memory.used, memory.total
    except library.NVMLError as error:
        log.warning("gpu.unreadable", error=str(error))


@cache
def _library() -> Any:
    """Load NVIDIA's library; None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
