"""What a stream costs, beside the libraries that others would use: ``python -m tests.benchmarks.harness DIRECTORY``.

A replay server in a process of its own sends bytes that were encoded beforehand. Each contestant is a process of its
own, in an environment of its own when it is a peer. They take turns, round by round; a figure is the median of the
CPU time of that process, and its ratio to raw httpx in the same run. Each contestant proves that it got the text.

`payloads`, `worker` and `contestants` run in environments where only the contestant is installed: they need
nothing but the standard library. `run` leads, `report` and `chart` write.
"""
