"""No bitstream, however made, does more than be refused. 20,000 more: `make bench`."""

import sys

import pytest

from support.fuzz import fuzz


def test_mutants_are_refused_or_change_nothing():
    outcome = fuzz(2000)
    assert outcome.count("same") > 50
    assert outcome.count("refused", "its checksum is wrong") > 200
    # Most are not stopped that early: they reach the header's checks, the coder's, the last.
    for reason in ("header contradicts itself", "not coded in", "not the encoded one"):
        assert outcome.count("refused", reason) > 50


LINE = '{{"mutant": {}, "outcome": "{}", "why": "", "model": "", "seconds": 0, "mebibytes": {}}}'


@pytest.mark.parametrize(
    ("last", "dies", "match"),
    [
        (LINE.format(6, "same", 0), "os.kill(os.getpid(), signal.SIGSEGV)", "mutant 7 .*SIGSEGV"),
        (LINE.format(6, "same", 0), "signal.setitimer(signal.ITIMER_PROF, 0.1)", "7 .*SIGPROF"),
        (LINE.format(6, "same", 0), "raise SystemExit('traceback')", "mutant 7 .*traceback"),
        (LINE.format(6, "escaped", 0), "", "'mutant': 6.*escaped"),
        (LINE.format(6, "read past the end", 0), "", "'mutant': 6.*read past"),
        (LINE.format(6, "refused", 65), "", "'mutant': 6.*65"),
    ],
    ids=["crash", "hang", "bug", "other error", "read too far", "memory"],
)
def test_a_mutant_that_does_more_is_named(last, dies, match):
    lines = "\n".join(("{}", LINE.format(5, "refused", 0), last))
    program = f"import os, signal; print('''{lines}''', flush=True); {dies}\nwhile {bool(dies)}: 0"
    with pytest.raises(AssertionError, match=match):
        fuzz(2, first=5, command=(sys.executable, "-c", program))
