"""20,000 damaged and crafted bitstreams: none may do more than be refused."""

from support.fuzz import fuzz


def test_20_000_mutants(benchmark):
    """Other ones than those of the unit tests. `mebibytes`: what they added to the process."""
    outcome = benchmark.pedantic(fuzz, args=(20_000, 2000), rounds=1)
    slowest = outcome.slowest
    rate = len(outcome.rows) / benchmark.stats.stats.total
    benchmark.extra_info |= {"rate": rate, "slowest": slowest, "mebibytes": outcome.mebibytes}
    print(
        f"{rate:.0f} mutants a second, {outcome.count('same')} of {len(outcome.rows)} harmless, "
        f"{outcome.mebibytes:.1f} MiB; the slowest took {slowest['seconds']:.2f} s: "
        f"number {slowest['mutant']}, {slowest['model']}"
    )
