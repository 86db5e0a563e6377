"""`make endurance`: many executions in a row, and payloads of every size, on the real parts.

`RUNS=100 make endurance` makes it shorter. Ends with 1 if memory, threads, files or disk grow beyond a bound,
or if a payload is lost without a word.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.endurance import executions, payloads


def main() -> int:
    """Runs everything; the exit code."""
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder:
        problems = executions.run(Path(folder, "engine"), int(os.environ.get("RUNS", "500")))
        problems += payloads.run(Path(folder, "sandbox"))
    for problem in problems:
        sys.stdout.write(f"  PROBLEM: {problem}\n")
    sys.stdout.write("  endured\n" if not problems else f"  {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
