#!/usr/bin/python3
"""The tool against real plugins: it finds exactly the gaps that are known of each, and nothing else.

The reference plugins are those of Debian's containernetworking-plugins 1.1.1. A row that appears or disappears is either a
change of the tool or of the plugin, and the reason beside it has to be written anew.

usage: golden_test.py TOOL PLUGIN_DIR SUBJECT
"""
import json
import pathlib
import subprocess
import sys
import tempfile

REFERENCE = "/usr/lib/cni"
LARGE = ("10.88.0.0/24", "fd00:88::/120")
SMALL = ("10.88.0.0/28", "fd00:88::/124")

# What all of the reference plugins share: the Go library's skeleton, and a specification older than 1.1.0.
SKELETON = {
    "VERSION-03": "answers with its own newest version; the question is never read",
    "VERSION-05": "1.0.0 is the newest; 1.1.0 came two years after this release",
    "ERROR-03": "error objects have no cniVersion",
    "GC-01": "no GC before 1.1.0",
    "STATUS-01": "no STATUS before 1.1.0",
}
# What host-local does to each plugin that uses it.
HOST_LOCAL = {
    "ADD-15": "an address that a vanished sandbox held blocks the same container id for good: there is no look at the sandbox",
}
INTERFACE_PLUGINS = SKELETON | HOST_LOCAL | {
    "ENV-13": "accepts the host's own namespace as sandbox and makes eth0 on the host",
    "CHAIN-01": "does not know prevResult: whatever an earlier plugin made is dropped from the result",
    "CHAIN-04": "a malformed prevResult gives code 999, which is not a code of the specification's for that",
    "CHECK-10": "the host's end being down is not looked at",
    "DELEGATE-12": "a delegate that failed gets no DEL",
}


def host_local(ranges):
    return {"type": "host-local", "dataDir": "@DIR@/host-local", "ranges": [[{"subnet": r}] for r in ranges],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}


def reference(kind, **more):
    return lambda ranges: dict(cniVersion="1.0.0", name="golden", type=kind, ipam=host_local(ranges), **more)


def towpath(ranges):
    return {"cniVersion": "1.1.0", "name": "golden", "type": "towpath", "stateDir": "@DIR@/state", "mtu": 1400,
            "ipam": {"type": "towpath-ipam", "blocks": list(ranges)}}


def towpath_with_host_local(ranges):
    return {"cniVersion": "1.0.0", "name": "golden", "type": "towpath", "stateDir": "@DIR@/state", "mtu": 1400,
            "ipam": host_local(ranges)}


# The plugin alone. Beside its agent, as on any host, none is left: see WITH_AGENT.
OURS = {
    "CHECK-17": "the agent is not there, which corrects the permanent neighbours when tuning changes the MAC",
}
WITH_AGENT = """
cat > $DIR/agent.yaml <<END
node: golden
router_id: 192.0.2.1
as: 64512
listen: []
pools: []
blocks: []
peers: []
state_dir: $DIR/state
control_socket: $DIR/state/towpathd.sock
END
@BIN@/towpathd --config $DIR/agent.yaml > $DIR/agent.log 2>&1 < /dev/null &
timeout 20 sh -c 'until [ -S $DIR/state/towpathd.sock ]; do sleep 0.01; done' || { cat $DIR/agent.log >&2; exit 1; }
"""

# Means what it says on a machine that has nothing else to do.
BY_THE_CLOCK = {"STATUS-04"}
# Found where a kill falls between the making of an address's file and the writing of the container into it, after which DEL
# does not know whose it is. A weakness of host-local, so only of what it serves; ours must never show it.
BY_CHANCE_WITH_HOST_LOCAL = {"KILL-04"}

# As the last of a chain.
def after_ptp(ranges):
    return {"cniVersion": "1.0.0", "name": "golden", "plugins": [
        {"type": "ptp", "ipam": host_local(ranges)},
        {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}}]}


def towpath_in_chain(ranges):
    plugin = towpath(ranges)
    return {"cniVersion": "1.0.0", "name": "golden", "plugins": [
        {key: plugin[key] for key in ("type", "stateDir", "mtu", "ipam")},
        {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}},
        {"type": "portmap", "capabilities": {"portMappings": True}}]}


# The plugins of Debian that are made to stand behind another, each with work to do.
def towpath_before_others(ranges):
    rates = {"ingressRate": 80_000_000, "ingressBurst": 8_000_000, "egressRate": 80_000_000, "egressBurst": 8_000_000}
    chain = towpath_in_chain(ranges)
    chain["plugins"][2:2] = [{"type": "bandwidth", **rates}, {"type": "firewall", "backend": "iptables"}]
    return chain


# subject: (folder or "" for ours, kind, configuration, further options, findings)
SUBJECTS = {
    "ptp": (REFERENCE, "main", reference("ptp", mtu=1400), [], INTERFACE_PLUGINS | {
        "ADD-06": "a second interface of one container fails: the route to the common gateway is there already",
        "CHECK-08": "the host's route to the container is not looked at",
    }),
    # Its rules are chains of iptables, one for each container.
    "ptp-masquerade": (REFERENCE, "main", reference("ptp", ipMasq=True), ["--only", "DEL-03,DEL-14"], {
        "DEL-14": "with the sandbox gone the masquerade rules stay: they are only removed when the interface was found",
    }),
    "bridge": (REFERENCE, "main", reference("bridge", bridge="cni0", isGateway=True), [], INTERFACE_PLUGINS | {
        "DELEGATE-11": "the veth pair is made before the addresses are asked for, and stays when there are none",
        "POOL-05": "the same: ADD with the pool used up leaves a veth pair behind until DEL",
    }),
    "host-local": (REFERENCE, "ipam", reference("ptp"), [], SKELETON | HOST_LOCAL | {
        "ENV-12": "asks for CNI_PATH though it delegates nothing",
    }),
    "tuning": (REFERENCE, "meta", after_ptp, [], SKELETON | {
        "ENV-12": "asks for CNI_PATH though it delegates nothing",
        "CHAIN-04": INTERFACE_PLUGINS["CHAIN-04"],
    }),
    "towpath": ("", "main", towpath, [], OURS),
    # A start of the agent for each requirement: for those alone to which it matters.
    "towpath-beside-its-agent": ("", "main", towpath, ["--only", ",".join(OURS), "--host-setup", WITH_AGENT], {}),
    "towpath-ipam": ("", "ipam", towpath, [], {}),
    "towpath-in-chain": ("", "main", towpath_in_chain, ["--cni-version", "1.0.0", "--only", "CHAIN,RESULT,DEL,ADD,CHECK"],
                         OURS),
    # Those requirements of a life in which the others' own gaps do not show.
    "towpath-before-others": ("", "main", towpath_before_others, ["--cni-version", "1.0.0", "--only",
        "CHAIN,ADD-01,ADD-02,CHECK-01,CHECK-02,CHECK-03,CHECK-04,CHECK-05,CHECK-06,CHECK-07,CHECK-08,DEL-01,DEL-02,DEL-03,DEL-04,"
        "DEL-05,DEL-06,DEL-07,DEL-09,DEL-10,DEL-13"], {}),
    "towpath-with-host-local": ("", "main", towpath_with_host_local, ["--cni-version", "1.0.0"], OURS | HOST_LOCAL),
}


def main():
    tool, ours, subject = sys.argv[1:]
    folder, kind, configuration, options, known = SUBJECTS[subject]
    options = [word.replace("@BIN@", ours) for word in options]
    with tempfile.TemporaryDirectory(prefix="cni-golden.") as scratch:
        paths = [pathlib.Path(scratch) / name for name in ("net.conf", "pool.conf")]
        for path, ranges in zip(paths, (LARGE, SMALL)):
            path.write_text(json.dumps(configuration(ranges)))
        done = subprocess.run([tool, "--plugin-dir", folder or f"{ours}:{REFERENCE}", "--config", str(paths[0]),
                               "--pool-config", str(paths[1]), "--pool-limit", "40", "--type", kind, "-o", "json", *options],
                              text=True, capture_output=True)
    if done.returncode not in (0, 1):
        print(f"exit {done.returncode}: {done.stderr}")
        return 1
    report = json.loads(done.stdout)
    with_host_local = "host-local" in json.dumps(configuration(LARGE))
    passed_over = BY_THE_CLOCK | (BY_CHANCE_WITH_HOST_LOCAL if with_host_local else set())
    found = {row["id"]: row for row in report["results"] if row["result"] in ("fail", "warn") and row["id"] not in passed_over}
    for name in sorted(found.keys() - known.keys()):
        print(f"not known: {name} {found[name]['result']}: {found[name]['text']}: {found[name]['evidence']}")
    for name in sorted(known.keys() - found.keys()):
        print(f"no longer found: {name}: {known[name]}")
    print(f"{subject}: " + ", ".join(f"{report[key]} {key}" for key in ("passed", "failed", "warnings", "skipped")))
    return 1 if found.keys() != known.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
