"""What a run has shown, as a table."""

from collections import Counter
from dataclasses import dataclass, field

from tests.acceptance.chaos.audit import INVARIANTS, Violation

PROMISED_END_SECONDS = 30


@dataclass(frozen=True)
class Report:
    """One run: what was asked of the stack, what was done to it, and what came of it.

    `mixed` is what there was beside plain jobs.
    `end_seconds` is the time from the end of the last fault until every job had ended; `None`: they had not.
    """

    seed: int
    minutes: float
    jobs: int
    endings: Counter[str]
    mixed: dict[str, object]
    claims: int
    losses: int
    faults: Counter[str]
    end_seconds: float | None
    violations: list[Violation] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations and self.end_seconds is not None and self.end_seconds <= PROMISED_END_SECONDS

    def __str__(self) -> str:
        endings = ", ".join(f"{count} {status}" for status, count in sorted(self.endings.items()))
        end = "not all of them ended" if self.end_seconds is None else f"{self.end_seconds:.1f} s"
        rows: list[tuple[str, object]] = [
            ("seed, minutes", f"{self.seed}, {self.minutes:g}"),
            ("jobs accepted", self.jobs),
            ("jobs in the database", endings),
            *self.mixed.items(),
            ("claims; of these lost with their worker", f"{self.claims}; {self.losses}"),
            ("faults", self.faults.total()),
            *((f"  {name}", count) for name, count in self.faults.most_common()),
            ("from the last fault until every job had ended", end),
            (f"violations of {len(INVARIANTS)} invariants", len(self.violations)),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:{width}}  {value}" for name, value in rows]
        lines += [f"  {each.rule}: job {each.job_id}: {each.detail}" for each in self.violations[:50]]
        return "\n".join(lines)
