#!/usr/bin/env python3
"""Migrates a fleet under faults and lets an oracle check the outcome.

A round is one job, up to the newest revision or down to the oldest, with faults all the way. It
ends with the first violation; what is printed then leads back to it.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

import world as worlds
from oracle import Violation
from proxy import FaultProxy

import fleet
from harness.daemon import daemon_binary, daemon_build


class Scenario:
    """Faults of one kind. `strike` is called again and again while a job runs."""

    replicas = 1
    # Seconds between two faults, chosen evenly.
    pause = (0.05, 0.9)
    # After so many in one job it may go to its end.
    most = 8

    def __init__(self, rng):
        self.rng = rng
        self.strikes = 0

    def world(self):
        return worlds.World()

    def strike(self, world):
        raise NotImplementedError

    def calm(self, world):
        """After the faults of a job: everything that was taken away is there again."""

    def heal(self, world):
        """While the job goes to its end: brings back what a fault takes away only later."""

    def close(self):
        """At the end, whatever it was."""


class KillDaemon(Scenario):
    def strike(self, world):
        world.replace(0, lambda daemon: daemon.kill())


class KillReplica(Scenario):
    replicas = 3
    pause = (0.2, 1.2)

    def strike(self, world):
        world.replace(self.rng.randrange(3), lambda daemon: daemon.kill())


class RollingRestart(Scenario):
    replicas = 3
    pause = (0.0, 0.3)
    most = 3

    def strike(self, world):
        def stop(daemon):
            code = daemon.stop(timeout=60)
            if code != 0:
                raise Violation(f"a drained daemon ends with {code}")

        world.replace(self.strikes % 3, stop)


class KillBackend(Scenario):
    pause = (0.02, 0.3)
    most = 20

    def strike(self, world):
        kills = self.rng.random() < 0.1
        try:
            pids = world.tenants.psql(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrationd'").split()
            if not pids:
                return
            pid = int(self.rng.choice(pids))
            if kills:
                # It takes all others with it; the server recovers.
                os.kill(pid, 9)
                time.sleep(0.3)
            else:
                world.tenants.psql(f"SELECT pg_terminate_backend({pid})")
        except (RuntimeError, ProcessLookupError):
            pass  # The server recovers, or the session has ended.

    def calm(self, world):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                return world.tenants.psql("SELECT 1")
            except RuntimeError:
                time.sleep(0.1)


class KillPostgres(Scenario):
    pause = (0.2, 1.0)
    most = 4

    def strike(self, world):
        world.tenants.end("immediate")
        time.sleep(self.rng.uniform(0, 0.5))
        world.tenants.start()


class KillControl(Scenario):
    pause = (0.2, 1.0)
    most = 4

    def strike(self, world):
        world.control.end("immediate")
        time.sleep(self.rng.uniform(0, 1.5))
        world.control.start()


class ProxyTenants(Scenario):
    pause = (0.5, 1.0)
    most = 1
    server = "tenants"
    # The share of connections with a fault.
    rate = 0.3

    def world(self):
        seed = self.rng.randrange(1 << 30)
        proxy = {self.server: lambda port: FaultProxy(port, seed, self.rate)}
        return worlds.World(proxies=proxy)

    def strike(self, world):
        pass


class ProxyControl(ProxyTenants):
    # Connections are few and kept, so most of them are to break.
    server = "control"
    rate = 0.7


class FullDisk(Scenario):
    """The control database's disk, a small file system of its own, is full for a while."""

    pause = (0.2, 0.6)
    most = 3

    def world(self):
        import harness.cluster as clusters

        self.mount = tempfile.mkdtemp(prefix="migrationd-chaos-disk-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0777", "tmpfs", self.mount],
                       check=True)
        place, clusters._place = clusters._place, lambda: self.mount
        try:
            settings = {**clusters.THROW_AWAY, "max_wal_size": "32MB", "min_wal_size": "32MB"}
            control = clusters.Cluster(settings)
        finally:
            clusters._place = place
        return worlds.World(control=control)

    def strike(self, world):
        filler = f"{self.mount}/filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * (1 << 20)):
                    pass
            except OSError:
                pass
        time.sleep(self.rng.uniform(0.2, 1.5))
        os.unlink(filler)
        self.heal(world)

    def heal(self, world):
        # It may have gone down over it, at once or in a recovery that began on the full disk.
        if world.control._process.poll() is not None:
            world.control.start()

    def close(self):
        subprocess.run(["umount", self.mount], check=False)
        os.rmdir(self.mount)


class AppLoad(Scenario):
    """An application reads and writes the tenants' tables all the time, in any order."""

    pause = (0.3, 0.5)
    most = 1
    # What a statement may take besides a wait for a lock, on a busy machine; one that nothing bounds
    # would wait for minutes.
    allowance = 10.0
    threads = ()
    longest = 0.0

    def strike(self, world):
        if self.strikes:
            return
        self.over = threading.Event()
        self.longest = 0.0
        self.count = collections.Counter()
        self.threads = [threading.Thread(target=self._use, args=(world, self.rng.random()))
                        for _ in range(4)]
        for thread in self.threads:
            thread.start()

    def _use(self, world, seed):
        import psycopg2

        rng = random.Random(seed)
        connection = psycopg2.connect(world.tenants.socket_conninfo("app"))
        schemas = [s for d, s in world.places.values() if d == "app"]
        while not self.over.is_set():
            schema = rng.choice(schemas)
            statements = [f"SELECT count(*) FROM {schema}.items",
                          f"UPDATE {schema}.items SET name = name WHERE id = {rng.randint(1, 100)}",
                          f"SELECT count(*) FROM {schema}.parts"]
            rng.shuffle(statements)
            # Now and then a transaction stays open for longer than a migration waits.
            rest = rng.uniform(0, 3) if rng.random() < 0.02 else 0
            try:
                with connection, connection.cursor() as cursor:
                    for statement in statements[:2]:
                        begun = time.monotonic()
                        try:
                            cursor.execute(statement)
                        finally:
                            self.longest = max(self.longest, time.monotonic() - begun)
                    self.over.wait(rest)
                self.count["answered"] += 1
            except psycopg2.Error as error:
                # Deadlocks, and tables that are not there yet, are the application's to bear.
                self.count[error.pgcode] += 1
        connection.close()

    def calm(self, world):
        if not self.threads:
            return
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.strikes = 0
        print(json.dumps({"longest_query_s": round(self.longest, 3), **self.count}), file=sys.stderr)
        if self.longest > 2.0 + self.allowance:
            raise Violation(f"a query of the application waited {self.longest:.1f} s")


SCENARIOS = {
    "kill-daemon": KillDaemon, "kill-replica": KillReplica, "rolling-restart": RollingRestart,
    "kill-backend": KillBackend, "kill-postgres": KillPostgres, "kill-control": KillControl,
    "proxy-tenants": ProxyTenants, "proxy-control": ProxyControl, "full-disk": FullDisk,
    "app-load": AppLoad,
}


def run(name, seed, rounds, seconds):
    rng = random.Random(f"{seed} {name}")
    scenario = SCENARIOS[name](rng)
    begun = time.monotonic()
    faults = 0
    done = 0
    with contextlib.closing(scenario), scenario.world() as world:
        try:
            for _ in range(scenario.replicas):
                world.start_daemon()
            while done < rounds and time.monotonic() - begun < seconds:
                goes_up = done % 2 == 0
                target = fleet.IDS[-1] if goes_up else fleet.FLOOR
                job = world.start_job("upgrade" if goes_up else "downgrade", target)
                struck = 0
                while struck < scenario.most and not world.is_over(job):
                    time.sleep(rng.uniform(*scenario.pause))
                    scenario.strike(world)
                    scenario.strikes += 1
                    struck += 1
                if name == "app-load":
                    world.finish(job)
                scenario.calm(world)
                world.finish(job, between=lambda: scenario.heal(world))
                world.check(job, target)
                faults += struck
                done += 1
        except BaseException:
            world.tell(sys.stderr)
            raise
        proxied = {k: v for proxy in world.ports.values() for k, v in proxy.faults.items()}
    return {"scenario": name, "seed": seed, "jobs": done, "faults": faults, **proxied,
            "tenants": len(world.places), "seconds": round(time.monotonic() - begun, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], default=[])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--rounds", type=int, default=2, help="jobs of each scenario")
    parser.add_argument("--seconds", type=float, default=3600, help="no new job after that time")
    options = parser.parse_args()
    names = options.scenarios or list(SCENARIOS)
    if os.geteuid() != 0 and not options.scenarios:
        # Nobody else may mount a file system.
        names.remove("full-disk")
        print("full-disk: not run, since it needs root", file=sys.stderr)
    print(f"under faults: {daemon_binary()} ({daemon_build()})", file=sys.stderr, flush=True)
    for name in names:
        print(f"{name}: seed {options.seed}", file=sys.stderr, flush=True)
        try:
            print(json.dumps(run(name, options.seed, options.rounds, options.seconds)), flush=True)
        except Violation as violation:
            print(f"VIOLATION in {name} with seed {options.seed}: {violation}", file=sys.stderr)
            sys.exit(1)


if __name__ == "__main__":
    main()
