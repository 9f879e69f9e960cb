"""What the gateway costs, beside LiteLLM's proxy and a bare pass-through.

Run it by ``python -m tests.benchmarks.gateway DIRECTORY``.

The replay server of `..harness` is the upstream. Each contestant is a process of its own, LiteLLM in an environment of
its own. They take turns, round by round; a figure is the median of the CPU time (user and system) of that process and
its children, as the kernel counts it.
"""
