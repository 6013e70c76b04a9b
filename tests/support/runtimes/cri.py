"""The few calls of the Container Runtime Interface (runtime.v1) that a kubelet makes for one pod, over grpc.

The messages are encoded here, by field number as in the CRI's api.proto: a message is a list of (number, value), a value a
number, a text, octets or another such list.
"""

import contextlib

import grpc


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def encode(message):
    out = b""
    for number, value in message:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
            continue
        data = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else encode(value)
        out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def decode(data):
    """{field number: [values]}; what has a length stays octets."""
    fields, position = {}, 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            octet = data[position]
            position += 1
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value

    while position < len(data):
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 == 2:
            length = varint()
            value, position = data[position:position + length], position + length
        else:
            raise ValueError(f"wire type {key & 7}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _texts(name_to_value):
    return [[(1, name), (2, value)] for name, value in name_to_value.items()]


class Cri:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix://{socket}", options=[("grpc.default_authority", "localhost")])

    def close(self):
        self.channel.close()

    def _call(self, method, message, timeout=60):
        return decode(self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(encode(message), timeout=timeout))

    def is_ready(self):
        """The runtime is, and its network too."""
        try:
            status = decode(self._call("Status", [], timeout=5)[1][0])
        except grpc.RpcError:
            return False
        return all(decode(condition).get(2) == [1] for condition in status[1])

    def run_pod(self, name, namespace, labels, port_mappings):
        """port_mappings: [(port of the host, port of the container)], TCP."""
        self.metadata = [(1, name), (2, f"uid-{name}"), (3, namespace)]
        config = [(1, self.metadata), (2, name), (8, [])]
        config += [(5, [(2, inside), (3, outside)]) for outside, inside in port_mappings]
        config += [(6, entry) for entry in _texts(labels)]
        return self._call("RunPodSandbox", [(1, config)])[1][0].decode()

    def addresses(self, pod):
        network = decode(decode(self._call("PodSandboxStatus", [(1, pod)])[1][0])[5][0])
        return [network[1][0].decode()] + [decode(one)[1][0].decode() for one in network.get(2, [])]

    def run_container(self, pod, name, image, command):
        config = [(1, [(1, name)]), (2, [(1, image)])] + [(3, word) for word in command]
        container = self._call("CreateContainer", [(1, pod), (2, config), (3, [(1, self.metadata)])])[1][0].decode()
        self._call("StartContainer", [(1, container)])
        return container

    def execute(self, container, *command):
        """What it writes to standard output."""
        return self._call("ExecSync", [(1, container), *((2, word) for word in command), (3, 20)]).get(1, [b""])[0].decode()

    def remove_pod_if_there(self, pod):
        with contextlib.suppress(grpc.RpcError):
            self.remove_pod(pod)

    def remove_pod(self, pod):
        self._call("StopPodSandbox", [(1, pod)])
        self._call("RemovePodSandbox", [(1, pod)])
