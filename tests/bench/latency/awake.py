# SPDX-License-Identifier: Apache-2.0
"""Keeps CPUs from sleeping: for each a process that spins whenever nobody else wants it (SCHED_IDLE).

A virtual CPU that sleeps is woken by its hypervisor, which takes its time: tenths of a millisecond that are the
machine's, not the network's, on each of a dozen wake-ups of a request. Busy servers' CPUs do not sleep.
"""

import os
import subprocess
import sys

LIMIT_S = 3600
STEAL_AT = 8  # among the words of /proc/stat's first line
# The kernel may share CPUs among sessions first (autogroup), and policies count only within one: so it has one of
# its own, which is last, too. It asks for its parent now and then: whoever starts it may die without a word.
SPIN = f"""
import os, sys, time
try:
    open("/proc/self/autogroup", "w").write("19")
except OSError:
    pass
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {{int(sys.argv[1])}})
until = time.monotonic() + {LIMIT_S}
print("spins", flush=True)
while os.getppid() == int(sys.argv[2]) and time.monotonic() < until:
    for _ in range(20000):
        pass
"""


class Awake:
    """All CPUs that this process may use, from the beginning of `with` to its end."""

    def __init__(self):
        self.processes = []

    def __enter__(self):
        for cpu in sorted(os.sched_getaffinity(0)):
            words = [sys.executable, "-I", "-S", "-c", SPIN, str(cpu), str(os.getpid())]
            self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                   stderr=subprocess.DEVNULL, start_new_session=True))
        for process in self.processes:
            process.stdout.readline()  # each spins, or has ended because the kernel does not let it
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.communicate()

    def is_on(self):
        """Whether all of them spin, at the lowest priority that there is."""
        return all(process.poll() is None and os.sched_getscheduler(process.pid) == os.SCHED_IDLE
                   for process in self.processes)


class Stolen:
    """What the hypervisor gives to others: part of all CPUs' time from the beginning to `percent()`. With more than
    half of a percent, tenths of a millisecond say nothing."""

    def __init__(self):
        self.before = self.read()

    @staticmethod
    def read():
        """(stolen, all), in ticks."""
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:STEAL_AT + 1]]
        return ticks[-1], sum(ticks)

    def percent(self):
        stolen, ticks = (now - then for now, then in zip(self.read(), self.before))
        return round(100 * stolen / ticks, 2) if ticks else 0.0
