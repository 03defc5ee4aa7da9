"""What every bench says of itself: the machine, percentiles, what a process has used."""

import os
import platform
from pathlib import Path

import numpy as np

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def machine():
    """Say where this ran, and how busy the place was."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def percentiles_us(values_ns, prefix=""):
    """p50, p99, p99.9 and max of nanoseconds, in microseconds."""
    if len(values_ns) == 0:
        return {}
    found = np.percentile(values_ns, (50, 99, 99.9, 100)) / 1e3
    names = (f"{prefix}p50_us", f"{prefix}p99_us", f"{prefix}p999_us", f"{prefix}max_us")
    return dict(zip(names, (round(float(each), 1) for each in found), strict=True))


def cpu_seconds(pid):
    """User and system seconds of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICKS, int(fields[12]) / _TICKS


def rss_mb(pid):
    """Resident megabytes of its own: pages shared with others, as the ring, are not counted."""
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * _PAGE / 2**20


def others_busy_s():
    """Seconds all processors have spent, and how many of them were stolen by the host."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle, stolen = fields[3] + fields[4], fields[7]
    return (sum(fields[:8]) - idle) / _TICKS, stolen / _TICKS
