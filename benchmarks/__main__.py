"""`python3 run.py bench [NAME…]`: all quick benchmarks, or those that are named."""

import argparse
from importlib import import_module
from pathlib import Path

from tests.throwaway import throwaway_servers

CLAIMS = (
    "recording",
    "canvases",
    "streams",
    "page",
    "first_rows",
    "layout",
    "retention",
    "hostile",
    "documents",
    "logs",
    "schedules",
)
"""What is claimed of one part; each prints its own lines."""
QUESTIONS = {
    "drain": "jobs/s and what a job costs, beside peers (10 min)",
    "latency": "one job at a time, beside peers (10 min)",
    "submit": "requests that submit jobs, beside the least an endpoint can do (3 min)",
    "idle": "what workers cost that have nothing to do (8 min)",
    "start": "run.py demo, not the first time (2 min)",
    "growth": "what a million jobs cost beside a thousand (20 min)",
    "backlog": "what a long queue costs, and whether workers grow (30 min)",
}
PEERS = ("drain", "latency", "submit")
"""Those that need .venv-bench."""
NOT_QUICK = ("growth", "backlog")


def main() -> None:
    """Start servers of our own, then run what was asked for."""
    arguments = _parser().parse_args()
    names = [each for name in arguments.names for each in (PEERS if name == "peers" else [name])]
    names = names or [*CLAIMS, *(each for each in QUESTIONS if each not in NOT_QUICK)]
    if unknown := set(names) - {*CLAIMS, *QUESTIONS}:
        _parser().error(f"there is no benchmark {', '.join(unknown)}")
    with throwaway_servers() as scratch:
        # They read where the servers are as soon as they are imported.
        from benchmarks.contestants import BY_NAME, install_peers
        from benchmarks.measure import write_json
        from benchmarks.options import Options

        asked = arguments.only.split(",") if arguments.only else [*BY_NAME]
        if unknown := {*asked} - {*BY_NAME}:
            _parser().error(f"there is no contestant {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
        chosen = [BY_NAME[name] for name in asked]
        if {*names} & {*PEERS} and not install_peers():
            print("The peers are left out: .venv-bench could not be made, which needs the network the first time.")
            chosen = [each for each in chosen if not each.is_peer]
        options = Options(arguments.rounds, arguments.seconds, chosen, scratch)
        tables = []
        for name in names:
            module = import_module(f"benchmarks.{name}")
            if name in CLAIMS:
                module.main(scratch)
            else:
                tables.append(module.measure(options))
                print(tables[-1].text(), flush=True)
                write_json(arguments.json, tables)


def _parser() -> argparse.ArgumentParser:
    names = "\n".join([*(f"  {name:10}{what}" for name, what in QUESTIONS.items()), f"  peers     {', '.join(PEERS)}"])
    parser = argparse.ArgumentParser(
        prog="run.py bench",
        description=__doc__,
        epilog=f"what there is:\n{names}\n  {', '.join(CLAIMS)}: one claim each (1 to 15 min)\n\n"
        f"Without a name: all but {' and '.join(NOT_QUICK)}. docs/performance.md says what is measured.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns (5)")
    parser.add_argument("--seconds", type=float, default=4, help="how long a round of drain takes, about (4)")
    parser.add_argument("--only", metavar="WHO,…", help="these contestants alone, e.g. threads,usual")
    parser.add_argument("--json", type=Path, default=Path(".local/bench.json"), help="where all samples go as well")
    return parser


if __name__ == "__main__":
    main()
