"""The command `forget`: somebody taken out of all versions of the study, with a certificate of it.

What is to go is noted in .dvc/tmp before the first thing goes: called again after a kill, or when a remote was out of
reach, the command goes on from the note, for what listed the person may be gone by then.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from calse.config.params import read_params
from calse.data.paths import Layout
from calse.people.history import Tables, states
from calse.people.places import Place, places_of, reader
from calse.people.runs import delete_runs, touched_runs
from calse.people.study import params_without, rewrite, videos_of
from calse.people.traces import Traces, filmed_in, traces_in
from calse.people.who import Filmed, Who, as_known
from calse.runtime.errors import CalseError, counted
from calse.runtime.files import write_json
from calse.runtime.repository import git, scratch
from calse.tracking.dvc_index import repository

if TYPE_CHECKING:
    from dvc.repo import Repo  # type: ignore[import-untyped]


@dataclass
class Plan:
    """What is to go: objects of DVC by hash with the path that each had, MLflow runs, experiments, and in the working
    tree outputs, stages and params.yaml, whose new text it holds; `commits` are those that name the person.
    """

    signers: list[str]
    objects: dict[str, str] = field(default_factory=dict)
    recordings: list[str] = field(default_factory=list)
    clips: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    queued: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    params: str | None = None


@dataclass(frozen=True)
class Done:
    """What became of a plan: the certificate's file, what is left by place, and what no command here can reach."""

    certificate: Path
    removed: dict[str, int]
    left: dict[str, str]
    elsewhere: list[str]


def forget(who: Who, layout: Layout, exactly: bool, agreed: Callable[[Plan, dict[str, str]], bool]) -> Done | None:
    """Remove people from all versions of the study; None when `agreed`, which is shown plan and places, says no.

    Raises CalseError for a name that is not known, or for one that may be another's too unless `exactly`.
    """
    from dvc.repo import lock_repo

    with repository() as repo:
        places, others = places_of(repo)
        note = Path(repo.tmp_dir) / f"calse-forget-{'-'.join(digest[:8] for digest in who.digests)[:100]}.json"
        who, plan = _planned(who, layout, places, exactly, note)
        if not agreed(plan, _found(places, plan)):
            return None
        write_json(note, asdict(plan))
        with lock_repo(repo):
            rewrite(who, layout, repo, plan)
            write_json(note, asdict(replace(plan, params=None, paths=[], stages=[])))  # what is made anew stays
            removed, left = _removed(places, plan)
        repo.drop_data_index()
        _clear(layout, repo)
        try:
            others += filter(None, [delete_runs(plan.runs)])
        except CalseError as error:
            left["MLflow"] = str(error)
        for reference in plan.references:
            git("update-ref", "-d", reference)
        certificate = _certify(who, layout, plan, removed, left)
        if not left:
            note.unlink()
        return Done(certificate, removed, left, [*others, *_out_of_reach(who, plan)])


def _planned(who: Who, layout: Layout, places: list[Place], exactly: bool, note: Path) -> tuple[Who, Plan]:
    """Return the people as the study knows them, and what is to go: what is found now, and what was noted before."""
    goes_on = note.is_file()
    noted = Plan(**json.loads(note.read_text(encoding="utf-8"))) if goes_on else Plan([])
    every, tables = list(states(layout.root)), Tables(reader(places))
    here = [(source, *one) for source, videos in videos_of(read_params(), layout).items() for one in videos.items()]
    filmed = {Filmed(source, video.signer, clip, "") for source, clip, video in here}
    filmed = filmed.union(*(filmed_in(state, tables) for state in every))
    if not goes_on:
        who = as_known(who, filmed, exactly)
    elif filmed:
        who = replace(who, signers=tuple(noted.signers))
    found, commits = Traces(), set()
    for state in every:
        traces = traces_in(state, who, tables)
        if traces.paths:
            commits |= set(state.commits)
        found.add(traces)
        if not state.commits:
            found.paths, found.stages = traces.paths, traces.stages
    videos = {video.sha256 for source, clip, video in here if who.includes(source, video.signer, clip)}
    clips = {one.clip for one in filmed if who.includes(one.source, one.signer, one.clip)}
    listed = git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps")
    references = [line.split() for line in listed.splitlines()]
    named = [name for name, commit in references if commit in commits]
    plan = Plan(
        signers=list(who.signers),
        objects={d: path for d, path in sorted((found.objects | noted.objects).items()) if d not in found.shared},
        recordings=sorted({*found.recordings, *videos, *noted.recordings}),
        clips=sorted({*clips, *noted.clips}),
        runs=sorted({*touched_runs(found.read), *noted.runs}),
        references=[name for name in named if "stash" not in name],
        queued=[name for name in named if "stash" in name],
        commits=sorted(commits - {commit for _, commit in references}),
        paths=sorted({*found.paths, *noted.paths}),
        stages=sorted({*found.stages, *noted.stages}),
        params=noted.params if goes_on else params_without(who, layout),
    )
    return who, plan


def _found(places: list[Place], plan: Plan) -> dict[str, str]:
    """Return how much of a plan each place holds, or why that cannot be said."""
    found = {}
    for place in places:
        try:
            found[place.name] = counted(len(place.present(plan.objects.keys())), "object")
        except CalseError as error:
            found[place.name] = str(error)
    return found


def _removed(places: list[Place], plan: Plan) -> tuple[dict[str, int], dict[str, str]]:
    """Remove the objects everywhere; return how many files went, by place, and what is left after another look."""
    removed, left = {}, {}
    for place in places:
        try:
            removed[place.name] = place.remove(plan.objects.keys())
            if still := place.left(plan.objects.keys()):
                left[place.name] = counted(still, "object")
        except CalseError as error:
            left[place.name] = str(error)
    return removed, left


def _clear(layout: Layout, repo: "Repo") -> None:
    """Remove what can be made again and may hold frames: scratch, pages to look at, workspaces of DVC's experiments."""
    for path in (scratch(), layout.root / "data/browse"):
        shutil.rmtree(path, ignore_errors=True)
    for folder in Path(repo.tmp_dir).glob("exps/*"):
        if folder.name != "celery":  # the queue itself
            shutil.rmtree(folder, ignore_errors=True)


def _certify(who: Who, layout: Layout, plan: Plan, removed: dict[str, int], left: dict[str, str]) -> Path:
    """Write what was removed, by hash and without a name; what an earlier call removed is kept in it."""
    file = layout.forgotten() / f"{'-'.join(digest[:8] for digest in who.digests)[:100]}.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    call = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "removed files": removed, "left": left}
    certificate = {
        "forgotten": who.digests,
        "how": "sha256 of `signer NAME` (in small letters), `source NAME`, `clip ID`; objects by the md5 that DVC has",
        "objects": sorted({*before.get("objects", []), *plan.objects}),
        "raw videos": sorted({*before.get("raw videos", []), *plan.recordings}),
        "runs": sorted({*before.get("runs", []), *plan.runs}),
        "calls": [*before.get("calls", []), call],
    }
    write_json(file, certificate)
    return file


def _out_of_reach(who: Who, plan: Plan) -> list[str]:
    """Return what no command here can remove."""
    lines = [
        "clones, copies and exports that others have, and versions that a bucket keeps of removed objects",
        "what was written where somebody said: indexes, anonymised copies, previews, published folders",
    ]
    if plan.queued:
        lines.append("queued experiments: dvc queue remove --all")
    if plan.references:
        lines.append("experiments that were pushed to git: dvc exp remove -g REMOTE NAME; and here: git gc --prune=now")
    if plan.commits:
        names = "".join(f"{name}==>forgotten\\n" for name in who.signers)
        lines.append(
            f"tables with names in {counted(len(plan.commits), 'commit')} of git; to rewrite them, in every clone: "
            f"printf '{names}' > names.txt && git filter-repo --replace-text names.txt"
        )
    return lines
