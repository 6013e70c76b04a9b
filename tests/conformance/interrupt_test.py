#!/usr/bin/python3
"""The tool leaves nothing behind when it is told to end: no folder, no mount, no process, and the signal's exit code.

usage: interrupt_test.py TOOL
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def end_with(tool, config, scratch, number, seconds):
    """Ends the tool at its work and tells what it left in scratch, a folder that no other run of it has."""
    process = subprocess.Popen([tool, "--plugin-dir", "/usr/lib/cni", "--config", config, "--type", "ipam"],
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": scratch})
    process.stdout.readline()  # the first row is out, so it is at work
    assert os.listdir(scratch), "the tool works elsewhere"
    worker = children(process.pid)[0]
    process.send_signal(number)
    process.communicate(timeout=seconds)
    assert process.returncode in (128 + number, -number), f"{number.name}: exit {process.returncode}"
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{worker}"), f"{number.name}: the worker still runs"
    return os.listdir(scratch)


with tempfile.NamedTemporaryFile("w", suffix=".conf") as file, tempfile.TemporaryDirectory() as scratch:
    json.dump({"cniVersion": "1.0.0", "name": "interrupt", "type": "ptp", "ipam": {
        "type": "host-local", "dataDir": "@DIR@/host-local", "subnet": "10.88.0.0/24"}}, file)
    file.flush()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        left = end_with(sys.argv[1], file.name, scratch, each, 30)
        assert not left, f"{each.name} left {left}"
    # After SIGKILL nobody can remove the folder, but it is empty: its mounts went with the worker's namespace.
    for folder in end_with(sys.argv[1], file.name, scratch, signal.SIGKILL, 30):
        os.rmdir(os.path.join(scratch, folder))
print("ended by four signals, nothing left")
