"""Prints how close every method comes to the solution of every problem: `python -m tests.benchmarks.solutions`."""

import argparse
from collections.abc import Collection, Sequence

import numpy as np

from tests.problems import METHODS, OTHER_METHODS, SETTINGS, fits, run, solution

COLUMNS = ["data set", "problem", "method", "relative gap", "support", "optimality", "nonzeros", "steps"]


def margins(names: Collection[str]) -> None:
    """Prints for each problem how far its support is from the edge."""
    for name in names:
        problem, best = solution(name)
        weights = best["weights"]
        units = np.abs(weights) if problem.penalty.group == 0 else np.linalg.norm(weights, axis=1)
        margin = problem.penalty.margin(weights, problem.gradient(best)["weights"])
        print(
            f"{name}, {SETTINGS[name].regularizer}: {np.count_nonzero(weights)} of {weights.size} weights; the zeros"
            f" are {margin:.1%} of their threshold away from leaving 0, the least other is"
            f" {units[units > 0].min() / units.max():.1%} of the largest"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.solutions", description=__doc__)
    parser.add_argument("problems", nargs="*", metavar="problem", help=f"of {', '.join(SETTINGS)} (all)")
    parser.add_argument("--method", help=f"one of {', '.join(METHODS | OTHER_METHODS)} (all)")
    options = parser.parse_args(arguments)
    names = options.problems or list(SETTINGS)
    margins(names)
    print()
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---" for _ in COLUMNS), "|")
    for name in names:
        setting = SETTINGS[name]
        non_negative = setting.penalty.non_negative
        methods = [options.method] if options.method else METHODS | OTHER_METHODS
        for method in [m for m in methods if fits(setting, m)]:
            outcome = run(name, method)
            # `diagnostics.optimality` knows no constraint; the residual in float64 does.
            optimality = f"{outcome.residual:.0e} (float64)" if non_negative else f"{outcome.optimality:.0e}"
            support = "equal" if outcome.same_support else "differs"
            row = [setting.data, name, method, f"{outcome.gap:.0e}", support, optimality]
            print("|", " | ".join([*row, str(outcome.nonzeros), str(outcome.steps)]), "|", flush=True)


if __name__ == "__main__":
    main()
