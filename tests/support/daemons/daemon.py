"""What every foreign BGP daemon of the laboratory offers, and the small description its configuration is made from.

Model
  A Daemon is a Node (a network namespace on the switch) in one autonomous system. configure() takes neighbours and routes
  in the words of this file and writes the daemon's own configuration; launch() starts it with private directories, so that
  any number of them run beside each other and beside the machine's own. What it tells about sessions and routes is parsed
  from its own command line tool and comes back in the words of this file again.

Policy is the same in all of them: everything is accepted; to a neighbour goes what the daemon originates itself and what
it learned inside `transit`, so that five daemons around one host do not fill each other's tables.
"""

import dataclasses
import os
import signal

from lab import LabError, Node, wait_until

HOLD_TIME = 9


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """One session as the daemon is to have it."""

    name: str
    remote: str
    local: str
    as_number: int
    families: tuple = ("ipv4", "ipv6")
    next_hop_ipv4: str = ""           # of what we announce; empty: the daemon's choice
    next_hop_ipv6: str = ""
    key: str = ""                     # RFC 2385
    gtsm: bool = False                # RFC 5082
    add_path: bool = False            # RFC 7911, both directions
    graceful_restart: bool = True     # RFC 4724
    role: str = ""                    # RFC 9234: provider, customer, peer
    extended_next_hop: bool = False   # RFC 8950
    extended_messages: bool = False   # RFC 8654
    reflector_client: bool = False    # RFC 4456: the daemon is its route reflector, and leaves next hops alone
    passive: bool = False
    hold_time: int = HOLD_TIME

    @property
    def ipv6(self):
        return ":" in self.remote


@dataclasses.dataclass(frozen=True)
class Route:
    """What the daemon originates."""

    prefix: str
    communities: tuple = ()           # "65050:1"
    large_communities: tuple = ()     # "65050:1:2"
    med: int | None = None

    @property
    def family(self):
        return "ipv6" if ":" in self.prefix else "ipv4"


@dataclasses.dataclass(frozen=True)
class Path:
    """A path that the daemon has from a neighbour."""

    prefix: str
    next_hop: str
    as_path: tuple
    origin: str = ""                  # igp, egp, incomplete
    med: int | None = None
    local_pref: int | None = None
    communities: frozenset = frozenset()
    large_communities: frozenset = frozenset()
    originator: str = ""
    clusters: tuple = ()
    stale: bool = False


def as_numbers(text):
    """"65001 {65002 65003}" as a flat tuple of numbers."""
    return tuple(int(word) for word in text.replace("{", " ").replace("}", " ").replace(",", " ").split())


class Daemon(Node):
    """The common part. Subclasses set `product` and write what is specific to it."""

    product = ""
    # Whether a session can carry the other family's routes, too, with a next hop of that family (RFC 4760).
    both_families = True
    # Whether it passes on what it learned.
    passes_on = True
    # Whether it fills its messages as far as its table goes.
    gathers_routes = True

    def __init__(self, lab, name, number, as_number):
        super().__init__(lab, name, number)
        self.as_number = as_number
        self.neighbors, self.announced, self.transit = [], [], []
        self.process = None

    def configure(self, neighbors, announced=(), transit=()):
        """neighbors: Neighbor; announced: Route; transit: prefixes inside which learned routes are passed on."""
        self.neighbors, self.announced, self.transit = list(neighbors), list(announced), list(transit)
        self._write_configuration()

    def launch(self):
        """Starts the program and returns when its tool answers."""
        self.process = self._start()

        def answers():
            if not self.process.running():
                raise LabError(f"{self.product} ended with {self.process.popen.returncode}: {self.log_tail()}")
            return self._answers()

        wait_until(answers, 20, lambda: f"{self.product} answers: {self.log_tail()}", interval=0.05)
        self._announce()

    def kill(self):
        """SIGKILL to the whole of it: no word to the neighbours. The kernel closes its connections."""
        # The programs are session leaders and some have children: the session's process group is all of them.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.popen.wait()

    def stop(self):
        """As an administrator does; the neighbours are told."""
        self.process.stop()

    def neighbor(self, name):
        return next(one for one in self.neighbors if one.name == name)

    def established(self, *names):
        states = self.states()
        return all(states.get(name) == "Established" for name in names)

    def log_tail(self, lines=20):
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.directory.glob("*.log"))) or "no log"

    # What a subclass must say ------------------------------------------------------------------------------------------

    def _write_configuration(self):
        raise NotImplementedError

    def _start(self):
        raise NotImplementedError

    def _answers(self):
        raise NotImplementedError

    def _announce(self):
        """For daemons whose configuration cannot originate routes."""

    def states(self):
        """{neighbour's name: state, as RFC 4271 names it}"""
        raise NotImplementedError

    def capabilities(self, name):
        """The names (see CAPABILITIES) of what both ends of an established session announced, as this end sees it."""
        raise NotImplementedError

    def received(self, name):
        """[Path] of what the neighbour announced and policy let in."""
        raise NotImplementedError

    def request_refresh(self, name):
        """Makes the daemon send ROUTE-REFRESH for all families."""
        raise NotImplementedError

    def clear(self, name):
        """A hard reset of one session."""
        raise NotImplementedError


CAPABILITIES = ("ipv4", "ipv6", "add-path", "graceful-restart", "refresh", "enhanced-refresh", "role", "extended-messages",
                "extended-next-hop")
