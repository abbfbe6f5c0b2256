"""The supervisor over dummy programs: order, restarts, and that nothing is ever left behind."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from background.local.children import lives
from tests.support import ROOT, Process, wait_for

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STAY = "import signal; signal.pause()"
LAST = "time.sleep(600)"


class Run:
    """The driver in a process of its own; all programs carry a mark in their command line."""

    def __init__(self, directory: Path) -> None:
        self.mark = uuid.uuid4().hex
        self.directory = directory
        self.process: Process | None = None

    def start(self, *before: str, **plan: object) -> Process:
        argv = [sys.executable, "-m", "tests.integration.local.driver", json.dumps({**plan, "mark": self.mark})]
        self.process = Process([*before, *argv], log=self.directory / "output.log")
        return self.process

    def code(self, text: str) -> str:
        return f"# {self.mark}\n{text}"

    def programs(self) -> list[psutil.Process]:
        """All that runs with the mark, but not the driver."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = process.info["cmdline"] or []
            at_home = str(process.info["cwd"]).startswith(str(self.directory))
            marked = at_home or any(self.mark in word for word in words)
            if marked and "tests.integration.local.driver" not in words and lives(process.pid):
                found.append(process)
        return found

    def nothing_is_left(self) -> bool:
        return self.programs() == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    if run.process:
        run.process.kill()
    for process in run.programs():
        process.kill()


def spawning(code: str) -> str:
    """Code that starts another Python with `code`."""
    return f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"


def writing(path: Path, word: str) -> str:
    """Code that notes a word at its start and at a SIGTERM."""
    return (
        f"import signal, sys\n"
        f"def note(what): open({str(path)!r}, 'a').write(what + ' {word}\\n')\n"
        f"def end(*_): note('end'); sys.exit(0)\n"
        f"signal.signal(signal.SIGTERM, end); note('start'); print('here', flush=True); signal.pause()"
    )


def test_the_order_of_start_and_the_names_before_each_line(run: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    prepare = (
        f"import pathlib, time; notes = pathlib.Path({str(notes)!r}); notes.touch()\n"
        f"while notes.read_text().count('start') < 2: time.sleep(0.01)\n"
        f"time.sleep(0.2); notes.open('a').write('prepared\\n'); print('made')"
    )
    driver = run.start(
        preparations=[["migrate", run.code(prepare)]],
        services=[["one", run.code(writing(notes, "one"))], ["two", run.code(writing(notes, "two"))]],
    )
    driver.wait_for_line("READY")
    *started, prepared = notes.read_text().splitlines()
    assert (sorted(started), prepared) == (["start one", "start two"], "prepared")
    wait_for(lambda: "one     | here\n" in driver.output and "two     | here\n" in driver.output)
    assert "migrate | made\n" in driver.output
    assert "\x1b" not in driver.output
    assert driver.stop() == 0
    assert sorted(notes.read_text().splitlines()[3:]) == ["end one", "end two"]
    assert run.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_request_to_stop_ends_everything_with_0(run: Run, number: signal.Signals) -> None:
    driver = run.start(services=[["one", run.code(STAY)]])
    driver.wait_for_line("READY")
    driver.popen.send_signal(number)
    assert driver.popen.wait(10) == 0
    assert run.nothing_is_left()


def test_a_stubborn_service_and_its_children_are_killed(run: Run) -> None:
    child = spawning(run.code(f"{STUBBORN}; {LAST}"))
    code = f"{STUBBORN}\n{child}\nprint('set', flush=True)\n{LAST}"
    driver = run.start(services=[["hard", run.code(code)]])
    driver.wait_for_line("hard    | set")
    assert wait_for(lambda: len(run.programs()) == 2)
    assert driver.stop(seconds=15) == 0
    assert run.nothing_is_left()


def test_a_second_request_does_not_wait(run: Run) -> None:
    driver = run.start(services=[["hard", run.code(f"{STUBBORN}; print('set', flush=True); time.sleep(600)")]])
    driver.wait_for_line("hard    | set")
    driver.wait_for_line("READY")
    driver.popen.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.popen.wait(1.5)
    driver.popen.send_signal(signal.SIGINT)
    assert driver.popen.wait(3) == 0
    assert run.nothing_is_left()


def test_a_service_that_dies_is_started_again(run: Run) -> None:
    driver = run.start(services=[["one", run.code(STAY)]])
    driver.wait_for_line("READY")
    (first,) = wait_for(run.programs)
    first.kill()
    driver.wait_for_line("one was killed by SIGKILL; starting it again in 0.5 s.")
    (second,) = wait_for(lambda: [each for each in run.programs() if each.pid != first.pid])
    assert driver.stop() == 0
    assert not lives(second.pid)


def test_what_a_dead_service_left_of_its_group_is_ended(run: Run) -> None:
    orphan = spawning(run.code(f"{STUBBORN}; {LAST}"))
    driver = run.start(services=[["one", run.code(f"{orphan}\n{STAY}")]])
    driver.wait_for_line("READY")
    wait_for(lambda: len(run.programs()) == 2)
    before = {each.pid: each for each in run.programs()}
    leader = next(each for each in before.values() if each.ppid() == driver.popen.pid)
    leader.kill()
    wait_for(lambda: not any(lives(pid) for pid in before), what="the end of the old group")
    wait_for(lambda: len(run.programs()) == 2, what="a new group")


def test_it_gives_up_on_what_keeps_dying(run: Run, tmp_path: Path) -> None:
    # The first start waits for the file, so that it counts as a death after the start.
    gate = tmp_path / "gate"
    code = f"import os, sys, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nsys.exit(3)"
    driver = run.start(services=[["one", run.code(code)], ["two", run.code(STAY)]])
    driver.wait_for_line("READY")
    gate.touch()
    assert driver.popen.wait(30) == 1
    assert "FAILED one ended with exit code 3, the 5th time in a row." in driver.output
    assert driver.output.count("starting it again") == 4
    assert run.nothing_is_left()


def test_a_failing_preparation_ends_everything(run: Run) -> None:
    driver = run.start(
        preparations=[["migrate", run.code("import sys; sys.exit('no database')")]], services=[["one", run.code(STAY)]]
    )
    assert driver.popen.wait(10) == 1
    assert "migrate | no database\n" in driver.output
    assert "FAILED migrate ended with exit code 1 at its start." in driver.output
    assert "READY" not in driver.output


def test_a_stop_in_the_middle_of_a_preparation(run: Run) -> None:
    driver = run.start(preparations=[["migrate", run.code("print('begun', flush=True); " + STAY)]])
    driver.wait_for_line("migrate | begun")
    assert driver.stop() == 0
    assert run.nothing_is_left()


def test_odd_output_is_shown_line_by_line(run: Run) -> None:
    code = (
        "import os, signal\n"
        "os.write(1, b'bad \\xff byte\\n' + b'x' * 200_000 + b'\\r\\n' + 'é한\\n'.encode())\n"
        "os.write(1, b'no end'); signal.pause()"
    )
    driver = run.start(services=[["odd", run.code(code)]])
    driver.wait_for_line("odd     | é한\n")
    assert "odd     | bad \\xff byte\n" in driver.output
    assert sum(line.count("x") for line in driver.output.splitlines() if "bad" not in line) == 200_000
    assert all(len(line) <= 64 * 1024 + 20 for line in driver.output.splitlines())
    assert driver.stop() == 0
    assert "odd     | no end\n" in driver.output


def test_a_reader_that_does_not_read_holds_nothing_up(run: Run, tmp_path: Path) -> None:
    """Output into a full pipe: the services go on, and a SIGTERM still ends everything."""
    alive = tmp_path / "alive"
    chatter = (
        f"import time\nfor number in range(10**9):\n print('x' * 1000)\n open({str(alive)!r}, 'w').write(str(number))"
    )
    plan = json.dumps({"services": [["loud", run.code(chatter)]]})
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.local.driver", plan], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        wait_for(lambda: alive.exists() and int(alive.read_text() or 0) > 2000, what="output beyond the pipe")
        driver.terminate()
        assert driver.wait(15) == 0
        assert run.nothing_is_left()
    finally:
        driver.kill()
        driver.communicate()


def test_a_reader_that_goes_away_stops_everything(run: Run) -> None:
    plan = json.dumps({"services": [["loud", run.code("import time\nwhile True: print('x'); time.sleep(0.01)")]]})
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.local.driver", plan], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert driver.stdout is not None
    driver.stdout.readline()
    driver.stdout.close()
    assert driver.wait(15) == 0
    assert run.nothing_is_left()


def test_nohup_is_respected(run: Run) -> None:
    driver = run.start("nohup", services=[["one", run.code(STAY)]])
    driver.wait_for_line("READY")
    driver.popen.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.popen.wait(1)
    assert driver.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_supervisor_leaves_nothing(run: Run, tmp_path: Path) -> None:
    driver = run.start(services=[["one", run.code(STAY)]], servers=str(tmp_path))
    driver.wait_for_line("READY", seconds=60)
    assert {each.name() for each in run.programs()} >= {"postgres", "valkey-server"}
    os.kill(driver.popen.pid, signal.SIGKILL)
    wait_for(run.nothing_is_left, seconds=10, what="the end of all programs")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_supervisor_leaves_not_even_the_stubborn(run: Run) -> None:
    code = f"{STUBBORN}\n{spawning(run.code(f'{STUBBORN}; {LAST}'))}\nprint('set', flush=True)\n{LAST}"
    driver = run.start(services=[["hard", run.code(code)]])
    driver.wait_for_line("hard    | set")
    wait_for(lambda: len(run.programs()) == 2)
    driver.kill()
    wait_for(run.nothing_is_left, seconds=15, what="the end of all programs")


def test_a_killed_server_is_started_again_with_its_data(run: Run, tmp_path: Path) -> None:
    driver = run.start(services=[["one", run.code(STAY)]], servers=str(tmp_path))
    driver.wait_for_line("READY", seconds=60)
    postgres = next(each for each in run.programs() if each.ppid() == driver.popen.pid and each.name() == "postgres")
    postgres.kill()
    driver.wait_for_line("postgres was killed by SIGKILL; starting it again")
    wait_for(lambda: any(each.name() == "postgres" and each.pid != postgres.pid for each in run.programs()))
    assert driver.stop() == 0
    assert run.nothing_is_left()
