"""What `forget` shows before and after."""

from collections import defaultdict

from calse.people.forget import Done, Plan
from calse.people.traces import kind_of
from calse.runtime.errors import CalseError, counted, one_line

LONGEST_LIST = 12


def print_plan(plan: Plan, places: dict[str, str]) -> None:
    """Print what is to go: objects by kind, runs, experiments, and what must be made again."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for digest, path in plan.objects.items():
        kinds[kind_of(digest, path)].add(path)
    for kind, paths in sorted(kinds.items()):
        print(f"{kind}:")
        for path in sorted(paths)[:LONGEST_LIST]:
            print(f"  {one_line(path)}")
        if len(paths) > LONGEST_LIST:
            print(f"  and {len(paths) - LONGEST_LIST} more")
    objects = counted(len(plan.objects), "object")
    print(f"{objects} in all versions; " + "; ".join(f"{n}: {found}" for n, found in places.items()))
    names = sorted(reference.rpartition("/")[2] for reference in plan.references if "/exec/" not in reference)
    print(f"MLflow runs: {len(plan.runs)}; experiments: {', '.join(names) or 'none'}")
    models = [stage for stage in plan.stages if stage.startswith(("train@", "swap-train@"))]
    print(f"stages to run again: {len(plan.stages)}; of these make models: {', '.join(models) or 'none'}")


def print_done(done: Done) -> None:
    """Print what was removed and what is out of reach. Raises CalseError when something is left."""
    for place, count in done.removed.items():
        print(f"{place}: {counted(count, 'file')} removed, {done.left.get(place, '0 objects')} left")
    print(f"certificate: {done.certificate}; git add it: `calse import` refuses what it lists")
    for line in done.elsewhere:
        print(f"not reached: {line}")
    if done.left:
        left = "; ".join(f"{place}: {what}" for place, what in done.left.items())
        raise CalseError(f"something is left ({left}); call the same command again, it goes on from here")
    print("next: git add -A, git commit, and: dvc repro")
