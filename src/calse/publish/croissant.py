"""The publication's Croissant description: its files, a record set a table, and what responsible use needs to know."""

from pathlib import Path
from typing import Any

from calse.data.clips import COLUMNS
from calse.publish.about import Part, Study, address_of, author_name
from calse.publish.clips import ADDED
from calse.runtime.errors import counted
from calse.runtime.files import sha256_of, write_json

FILE = "croissant.json"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
VERSION = "http://mlcommons.org/croissant/1.1"
PROV = "http://www.w3.org/ns/prov#"
NUMBERS = {"take": "INTEGER", "width": "INTEGER", "height": "INTEGER", "frames": "INTEGER", "fps": "FLOAT"}


def write_croissant(study: Study, folder: Path) -> None:
    """Write `croissant.json`. Raises ValidationError of mlcroissant for what its format forbids: ours to mend."""
    import mlcroissant as mlc

    context = mlc.Context(conforms_to=[VERSION, RAI])
    metadata = mlc.Metadata(
        ctx=context,
        conforms_to=[VERSION, RAI],
        name=study.title,
        description=study.abstract or study.title,
        creators=[
            (mlc.Organization if "name" in author else mlc.Person)(
                ctx=context, name=author_name(author), url=author.get("website") or author.get("orcid")
            )
            for author in study.authors
        ],
        date_published=study.date,
        keywords=study.keywords,
        license=[address_of(licence) or licence for licence in study.licences],
        version=study.version,
        cite_as=f"{study.title}, version {study.version}, {study.date[:4]}",
        url=study.address or None,
        distribution=[_file(mlc, context, part.table, folder) for part in study.parts],
        record_sets=[_records(mlc, context, part) for part in study.parts],
        **_responsible(study),
    )
    tree: dict[str, Any] = metadata.to_json()
    tree["@context"] |= {"prov": PROV}
    for table, part in zip(tree["recordSet"], study.parts, strict=True):
        if part.made_from:
            table["prov:wasDerivedFrom"] = [{"@id": name} for name in part.made_from]
    write_json(folder / FILE, tree)


def _file(mlc: Any, context: Any, table: str, folder: Path) -> Any:
    """Return the description of a table as a file."""
    file = folder / table
    return mlc.FileObject(
        ctx=context,
        id=table,
        name=table,
        content_url=table,
        content_size=f"{file.stat().st_size} B",
        encoding_formats=["text/csv"],
        sha256=sha256_of(file),
    )


def _records(mlc: Any, context: Any, part: Part) -> Any:
    """Return the record set of a table: a record a clip, whose `path` names the video."""
    name, table = part.name, part.table
    fields = [
        mlc.Field(
            ctx=context,
            id=f"{name}/{column}",
            name=column,
            data_types=[getattr(mlc.DataType, NUMBERS.get(column, "TEXT"))],
            source=mlc.Source(ctx=context, file_object=table, extract=mlc.Extract(ctx=context, column=column)),
        )
        for column in [*COLUMNS, *ADDED]
    ]
    return mlc.RecordSet(ctx=context, id=name, name=name, description=part.words, key=[f"{name}/clip"], fields=fields)


def _responsible(study: Study) -> dict[str, Any]:
    """Return the fields of Croissant's vocabulary for responsible AI, as far as the study knows."""
    filmed = (
        "Drawn by code: nobody was filmed." if study.synthetic else "Videos of people who sign, filmed by each source."
    )
    people = [
        f"{part.name}: {counted(part.signers, 'signer')}; consent: {part.consent or 'not stated'}"
        for part in study.filmed
    ]
    size = f"{counted(study.people, 'signer')}, {counted(study.words, 'gloss')}"
    return {
        "data_collection": filmed,
        "data_collection_type": ["Software Collection"] if study.synthetic else ["Video"],
        "data_collection_missing_data": study.missing,
        "data_preprocessing_protocol": [
            "Every clip was decoded once, brought to one size, frame rate and codec, and held against the gate's rules."
        ],
        "data_manipulation_protocol": "; ".join(part.words for part in study.generated) or "none",
        "data_annotation_protocol": ["One gloss a clip, given by its source."],
        "annotations_per_item": "1",
        "machine_annotation_tools": ["published landmark models: where face, hands and body are"],
        "data_biases": [f"{size}: no sample of a language or of those who sign it."],
        "data_limitations": ["Isolated signs out of context; few clips of a sign."],
        "data_use_cases": ["Research on recognising isolated signs, and on augmentation."],
        "data_social_impact": (
            "Swapped faces can deceive: each generated clip carries a C2PA manifest that says so. "
            "Hands, body and the way of signing stay those of the signer."
        ),
        "personal_sensitive_information": ["none: synthetic signers"] if study.synthetic else people,
        "data_release_maintenance_plan": "Whoever takes back consent is left out of later versions.",
    }
