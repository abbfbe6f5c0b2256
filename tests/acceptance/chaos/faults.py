"""The faults. Each is a generator: it does its harm, yields for how many seconds that is to last, puts things right.

While a fault goes on, no other begins on the same target.
"""

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.chaos.node import API, Node
from tests.acceptance.chaos.proxy import HOST
from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack

Course = Iterator[float]
TICK = 0.05
LONGER_THAN_A_LEASE = LEASE_SECONDS + 1.5
UNKNOWN_JOB = 2**60


def kill_worker(stack: Stack, worker: Node) -> Course:
    """All its processes at once."""
    worker.kill()
    yield 0


def kill_main_process(stack: Stack, worker: Node) -> Course:
    """Its children are left alone in the world, in the middle of a job."""
    worker.kill_main()
    yield 0


def kill_child(stack: Stack, worker: Node) -> Course:
    """One process of its pool."""
    if children := worker.children():
        with suppress(psutil.NoSuchProcess):
            stack.rng.choice(children).kill()
    yield 0


def terminate(stack: Stack, worker: Node) -> Course:
    """The planned stop."""
    assert worker.process is not None
    worker.process.popen.terminate()
    yield 0


def terminate_all(stack: Stack, worker: Node) -> Course:
    """The planned stop as systemd asks for it."""
    worker.signal(signal.SIGTERM)
    yield 0


def pause(stack: Stack, worker: Node) -> Course:
    """It sleeps through its lease, and wakes up in the middle of what it did."""
    worker.signal(signal.SIGSTOP)
    yield LONGER_THAN_A_LEASE
    worker.signal(signal.SIGCONT)


def cut(stack: Stack, node: Node) -> Course:
    """All its connections to both servers."""
    node.postgres.cut()
    node.valkey.cut()
    yield 0


def freeze_postgres(stack: Stack, node: Node) -> Course:
    """Its connections to PostgreSQL stay open, and nothing passes, sometimes for longer than a lease."""
    node.postgres.freeze()
    yield stack.rng.uniform(0.5, LONGER_THAN_A_LEASE)
    node.postgres.thaw()


def freeze_valkey(stack: Stack, node: Node) -> Course:
    """The same, to Valkey."""
    node.valkey.freeze()
    yield stack.rng.uniform(0.5, LONGER_THAN_A_LEASE)
    node.valkey.thaw()


def deploy(stack: Stack, node: Node) -> Course:
    """It is stopped as planned, and comes back as the other release; the last worker of a release stays."""
    others = [worker for worker in stack.workers if worker is not node]
    if node not in stack.workers or any(worker.release == node.release for worker in others):
        node.deploy()
    yield 0


def kill_api(stack: Stack, api: Node) -> Course:
    """In the middle of whatever it does."""
    api.kill()
    yield 0


def kill_api_before_publish(stack: Stack, api: Node) -> Course:
    """The job is stored, and nobody is told."""
    stack.site.die_file.touch()
    for _ in range(40):
        yield 0.05
        if not stack.site.die_file.exists():
            return
    stack.site.die_file.unlink(missing_ok=True)


def _restart(server: EmbeddedPostgres | EmbeddedValkey, *, after: float) -> Course:
    yield after
    server.start()
    deadline = time.monotonic() + 60
    while not server.is_ready():
        assert time.monotonic() < deadline, f"{server.name} does not come back: {server.log.read_text()[-2000:]}"
        if server.child is None or server.child.poll() is not None:
            server.start()
        yield 0.1


def kill_valkey(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """Up to a second of its writes may be gone."""
    valkey.kill()
    yield from _restart(valkey, after=0.3)


def take_valkey_away(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """For ten seconds."""
    valkey.stop()
    yield from _restart(valkey, after=10)


def empty_valkey(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """No message is left."""
    stack.flush()
    yield 0


def stop_postgres_fast(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """As an upgrade would (SIGINT)."""
    postgres.stop("fast")
    yield from _restart(postgres, after=0.3)


def stop_postgres_hard(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """Without a checkpoint (SIGQUIT), so that it has to recover."""
    postgres.stop("immediate")
    yield from _restart(postgres, after=0.3)


def kill_postgres(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """All its processes, with kill -9."""
    postgres.kill()
    yield from _restart(postgres, after=0.3)


def take_postgres_away(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """For longer than a lease: every healthy one runs out."""
    postgres.stop("fast")
    yield from _restart(postgres, after=LONGER_THAN_A_LEASE)


def freeze_server(stack: Stack, server: EmbeddedPostgres | EmbeddedValkey) -> Course:
    """It accepts, and never answers, for longer than a lease."""
    server.pause()
    yield LONGER_THAN_A_LEASE
    server.resume()


def fill_valkey(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """It answers, gives what it has, and takes nothing."""
    stack.command("CONFIG", "SET", "maxmemory", 1)
    yield LONGER_THAN_A_LEASE
    stack.command("CONFIG", "SET", "maxmemory", 0)


def let_valkey_follow(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """It is a replica of one that is not there, as after a failover, and takes no write."""
    stack.command("REPLICAOF", HOST, 1)
    yield LONGER_THAN_A_LEASE
    stack.command("REPLICAOF", "NO", "ONE")


def let_postgres_only_read(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """As after a failover; connections that are there stay, and so does what they are told then."""
    stack.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    yield LONGER_THAN_A_LEASE
    stack.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


def fill_the_disk(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """Whatever would write fails, for longer than a lease."""
    stack.execute("UPDATE disk SET is_full = true")
    yield LONGER_THAN_A_LEASE
    stack.execute("UPDATE disk SET is_full = false")


def terminate_backends(stack: Stack, postgres: EmbeddedPostgres) -> Course:
    """Of about two in three connections, whatever they are doing."""
    stack.select(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ANY(%s) AND random() < 0.67",
        list(stack.nodes),
    )
    yield 0


def repeat_messages(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """Messages of jobs that wait, run, or have ended, a second time."""
    for (job_id,) in stack.select("SELECT id FROM jobs ORDER BY id DESC LIMIT 5"):
        stack.send_message(job_id)
    yield 0


def message_for_nobody(stack: Stack, valkey: EmbeddedValkey) -> Course:
    """A job that never was."""
    stack.send_message(UNKNOWN_JOB)
    yield 0


@dataclass(frozen=True)
class Fault:
    """`on` says what it is done to: a server, the API, a worker (`prefork`: one with children), or any node."""

    name: str
    begin: Callable[..., Course]
    on: str
    weight: int


FAULTS = [
    Fault("kill -9 of a worker", kill_worker, "worker", 6),
    Fault("kill -9 of a worker's main process alone", kill_main_process, "prefork", 3),
    Fault("kill -9 of one prefork child", kill_child, "prefork", 6),
    Fault("SIGTERM of a worker", terminate, "worker", 4),
    Fault("SIGTERM of all processes of a worker", terminate_all, "worker", 4),
    Fault("SIGSTOP of a worker past its lease", pause, "worker", 6),
    Fault("a node's connections cut", cut, "node", 5),
    Fault("a node's connections to PostgreSQL frozen", freeze_postgres, "node", 4),
    Fault("a node's connections to Valkey frozen", freeze_valkey, "node", 3),
    Fault("a worker deployed as the other release", deploy, "worker", 6),
    Fault("the API deployed as the other release", deploy, "api", 2),
    Fault("kill -9 of the API", kill_api, "api", 2),
    Fault("the API killed between commit and publish", kill_api_before_publish, "api", 4),
    Fault("Valkey: kill -9", kill_valkey, "valkey", 3),
    Fault("Valkey: gone for 10 s", take_valkey_away, "valkey", 1),
    Fault("Valkey: frozen", freeze_server, "valkey", 1),
    Fault("Valkey: FLUSHALL", empty_valkey, "valkey", 4),
    Fault("Valkey: out of memory", fill_valkey, "valkey", 1),
    Fault("Valkey: a replica", let_valkey_follow, "valkey", 1),
    Fault("PostgreSQL: stopped (SIGINT)", stop_postgres_fast, "postgres", 2),
    Fault("PostgreSQL: stopped hard (SIGQUIT)", stop_postgres_hard, "postgres", 2),
    Fault("PostgreSQL: kill -9", kill_postgres, "postgres", 1),
    Fault("PostgreSQL: gone for longer than a lease", take_postgres_away, "postgres", 1),
    Fault("PostgreSQL: frozen for longer than a lease", freeze_server, "postgres", 1),
    Fault("PostgreSQL: only reads for longer than a lease", let_postgres_only_read, "postgres", 1),
    Fault("PostgreSQL: its disk full for longer than a lease", fill_the_disk, "postgres", 1),
    Fault("PostgreSQL: backends terminated", terminate_backends, "postgres", 4),
    Fault("messages repeated", repeat_messages, "both servers", 4),
    Fault("a message for an unknown job", message_for_nobody, "valkey", 2),
]


@dataclass
class Storm:
    """Random faults on a stack, one about every `pace` seconds, some of them at the same time.

    Each kind comes once before the weights decide.
    """

    stack: Stack
    pace: float
    counts: Counter[str] = field(default_factory=Counter)
    _under_way: list[tuple[float, int, Course, frozenset[str]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _busy: set[str] = field(default_factory=set)
    _never: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._never = self.stack.rng.sample(FAULTS, len(FAULTS))

    def rage(self, *, seconds: float) -> None:
        """Begin faults for so long; returns when the last of them has been put right."""
        now = time.monotonic()
        end, next_at = now + seconds, now
        while now < end or self._under_way:
            self.stack.tend()
            while self._under_way and self._under_way[0][0] <= now:
                _, _, course, targets = heapq.heappop(self._under_way)
                self._advance(course, targets)
            if next_at <= now < end:
                self._strike()
                next_at = now + self.pace * self.stack.rng.uniform(0.5, 1.5)
            time.sleep(TICK)
            now = time.monotonic()

    def _strike(self) -> None:
        rng = self.stack.rng
        for fault in [*self._never, *rng.choices(FAULTS, [fault.weight for fault in FAULTS], k=20)]:
            if targets := self._targets(fault.on):
                if fault in self._never:
                    self._never.remove(fault)
                name = rng.choice(targets)
                held = frozenset({"postgres", "valkey"} if fault.on == "both servers" else {name})
                self._busy |= held
                self.counts[fault.name] += 1
                self._advance(fault.begin(self.stack, self._target(name)), held)
                return

    def _advance(self, course: Course, targets: frozenset[str]) -> None:
        pause = next(course, None)
        if pause is None:
            self._busy -= targets
        else:
            heapq.heappush(self._under_way, (time.monotonic() + pause, next(self._numbers), course, targets))

    def _targets(self, on: str) -> list[str]:
        """What a fault can be done to now."""
        if on == "both servers":
            return ["valkey"] if not self._busy & {"postgres", "valkey"} else []
        if on in ("postgres", "valkey"):
            return [on] if on not in self._busy else []
        kinds: dict[str, Callable[[Node], bool]] = {
            "api": lambda node: node.name == API,
            "worker": lambda node: node.name != API,
            "prefork": lambda node: node.name.startswith("prefork"),
            "node": lambda _: True,
        }
        return [
            node.name
            for node in self.stack.nodes.values()
            if kinds[on](node) and node.alive and node.name not in self._busy
        ]

    def _target(self, name: str) -> Node | EmbeddedPostgres | EmbeddedValkey:
        if name == "postgres":
            return self.stack.postgres
        return self.stack.valkey if name == "valkey" else self.stack.nodes[name]
