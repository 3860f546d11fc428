"""What the end-to-end tests and the benchmarks share: clusters, fleets, the daemon, its clients.

Standard library only, so that a benchmark runs without a virtual environment.
"""

from .client import Client, Response
from .cluster import Cluster
from .daemon import Daemon, daemon_binary
from .fleet import Fleet, Tenant
from .waiting import eventually

__all__ = [
    "Client", "Cluster", "Daemon", "Fleet", "Response", "Tenant", "daemon_binary", "eventually"]
