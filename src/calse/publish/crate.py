"""The publication's RO-Crate: the pipeline as a workflow, each of its stages as a run with what it read and made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calse.data.clips import slug
from calse.publish.about import Study, address_of, author_name
from calse.runtime.files import write_json
from calse.tracking.content import as_text
from calse.tracking.dvc_index import digests_of, name_of, params_of

if TYPE_CHECKING:
    from dvc.stage import PipelineStage  # type: ignore[import-untyped]
    from rocrate.rocrate import ROCrate

FILE, WORKFLOW = "ro-crate-metadata.json", "dvc.yaml"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TOOLS = "https://dvc.org"
FORMATS = {".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".md": "text/markdown"}
RAN = "http://schema.org/CompletedActionStatus"


class Entities:
    """Puts entities into a crate, each once."""

    def __init__(self, crate: "ROCrate", folder: Path) -> None:
        self._crate, self._folder = crate, folder

    def add(self, identifier: str, kind: str | list[str], /, **properties: Any) -> Any:
        """Return the contextual entity of that id, made at the first call; others are given as entities."""
        from rocrate.model.contextentity import ContextEntity

        found = self._crate.dereference(identifier)
        if found is None:
            found = self._crate.add(ContextEntity(self._crate, identifier, properties={"@type": kind, **properties}))
        return found

    def known(self, name: str) -> Any:
        """Return an entity that was added before."""
        return self._crate.dereference(name)

    def data(self, path: str, md5: str | None) -> Any:
        """Return the entity of a file or folder of the study: a part of the crate, or only named when it stays out."""
        place = self._folder / path
        known = {"name": path, **({"identifier": f"md5:{md5}"} if md5 else {})}
        if place.is_dir():
            return self._crate.dereference(f"{path}/") or self._crate.add_dataset(
                dest_path=f"{path}/", properties=known
            )
        if place.is_file():
            known["encodingFormat"] = FORMATS.get(place.suffix, "application/octet-stream")
            return self._crate.dereference(path) or self._crate.add_file(dest_path=path, properties=known)
        return self.add(f"#{path}", "CreativeWork", **known, description="not part of this publication")


def write_crate(study: Study, stages: "dict[str, PipelineStage]", folder: Path) -> None:
    """Write `ro-crate-metadata.json`: a Provenance Run Crate."""
    from rocrate.model.computerlanguage import ComputerLanguage
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    entities = Entities(crate, folder)
    root = crate.root_dataset
    root["name"], root["description"], root["datePublished"] = study.title, study.abstract or study.title, study.date
    root["version"], root["keywords"] = study.version, study.keywords
    root["license"] = [_licence(entities, licence) for licence in study.licences]
    root["author"] = [_author(entities, author) for author in study.authors]
    root["conformsTo"] = [entities.add(name, "CreativeWork", name=title) for name, title in PROFILES.items()]
    language = crate.add(ComputerLanguage(crate, TOOLS, properties={"name": "DVC", "url": TOOLS}))
    types = {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]}
    workflow = crate.add_workflow(dest_path=WORKFLOW, main=True, lang=language, properties=types)
    _describe_workflow(entities, workflow, study, stages)
    runs = [_run_of_stage(entities, stage) for stage in stages.values()]
    root["mentions"] = [_run_of_workflow(entities, workflow, study, runs), *runs]
    for run in root["mentions"]:
        run["agent"] = root["author"]
    for name in sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != FILE):
        entities.data(name, None)
    entities.known("README.md")["about"] = root
    write_json(folder / FILE, _plain(crate.metadata.generate()))


def _describe_workflow(entities: Entities, workflow: Any, study: Study, stages: "dict[str, PipelineStage]") -> None:
    """Say which steps the workflow has, one a stage of dvc.yaml, each with the command that does it."""
    workflow["name"], workflow["description"] = WORKFLOW, "every stage of the study; `dvc repro` runs them"
    workflow["conformsTo"] = entities.add(BIOSCHEMAS, "CreativeWork", name="Bioschemas ComputationalWorkflow")
    workflow["license"], workflow["version"] = _licence(entities, study.code_licence), study.version
    steps: list[Any] = []
    tools: list[Any] = []
    for stage in stages.values():
        if (name := name_of(stage)) not in {step["name"] for step in steps}:
            tool = {"name": f"calse {name}", "description": stage.desc or name, "softwareVersion": study.version}
            tools.append(entities.add(_tool(stage), "SoftwareApplication", **tool, url=study.address or TOOLS))
            steps.append(entities.add(f"{WORKFLOW}#{name}", "HowToStep", name=name, position=str(len(steps) + 1)))
            steps[-1]["workExample"] = tools[-1]
    workflow["step"], workflow["hasPart"] = steps, tools


def _tool(stage: "PipelineStage") -> str:
    """Return the id of the command that a stage runs."""
    return f"#calse-{name_of(stage)}"


def _run_of_workflow(entities: Entities, workflow: Any, study: Study, runs: list[Any]) -> Any:
    """Return the run of the whole workflow: what its stages' runs took in from outside, and all that they made."""
    made = {entity.id: entity for run in runs for entity in run["result"]}
    read = {entity.id: entity for run in runs for entity in run["object"] if entity.id not in made}
    properties = {"name": f"dvc repro at commit {study.commit}", "actionStatus": RAN}
    run = entities.add("#dvc-repro", "CreateAction", description="rebuilt what had changed", **properties)
    run["instrument"], run["object"], run["result"] = workflow, list(read.values()), list(made.values())
    return run


def _run_of_stage(entities: Entities, stage: "PipelineStage") -> Any:
    """Return the run of a stage: its parameters, what it read and what it made, with the hashes of dvc.lock."""
    data, code = digests_of(stage)
    read = [entities.data(path, digest) for path, digest in data.items()]
    for name, value in params_of(stage).items():
        read.append(entities.add(f"#{stage.name}/{name}", "PropertyValue", name=name, value=as_text(value)))
    run = entities.add(f"#{stage.name}", "CreateAction", name=f"dvc repro {stage.name}", actionStatus=RAN)
    run["description"] = "code, by md5: " + (", ".join(f"{path} {digest}" for path, digest in code.items()) or "none")
    run["instrument"], run["object"] = entities.known(_tool(stage)), read
    run["result"] = [entities.data(out.def_path, out.hash_info.value) for out in stage.outs]
    return run


def _licence(entities: Entities, licence: str) -> Any:
    """Return the entity of a licence, with its address where that is known."""
    address = address_of(licence)
    return entities.add(address or f"#licence-{slug(licence)}", "CreativeWork", name=licence, description=licence)


def _author(entities: Entities, author: dict[str, Any]) -> Any:
    """Return an author of CITATION.cff; an entity has a name, a person has two."""
    name = author_name(author)
    properties = {"affiliation": author["affiliation"]} if "affiliation" in author else {}
    kind = "Organization" if "name" in author else "Person"
    return entities.add(str(author.get("orcid") or f"#author-{slug(name)}"), kind, name=name, **properties)


def _plain(value: Any) -> Any:
    """Return JSON in which a list of one is that one, as RO-Crate recommends it."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else [_plain(inner) for inner in value]
    return value
