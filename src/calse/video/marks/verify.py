"""The command `verify`: what a file's C2PA manifest says, and whether the file is still the one that was signed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from calse.runtime.errors import CalseError
from calse.video.marks.mark import ASSERTION, HASH, load_c2pa
from calse.video.marks.signing_key import own_file

UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True)
class Verified:
    """A file: `fault` says what is wrong with its mark, empty when it holds; `says` is what the mark says, by line."""

    file: Path
    fault: str
    says: tuple[str, ...] = ()


def verify_files(files: list[Path], trusted: list[Path]) -> list[Verified]:
    """Read the mark of each file; nothing is fetched from anywhere.

    `trusted` are PEM files of certificates whose signatures count as vouched for, beside this repository's own.
    Raises CalseError when c2pa is not installed, or a file of certificates cannot be read.
    """
    c2pa = load_c2pa("calse verify")
    anchors = "".join(_certificates(file) for file in [*trusted, *filter(Path.is_file, [own_file()])])
    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    context = c2pa.Context.from_dict(settings | ({"trust": {"user_anchors": anchors}} if anchors else {}))
    return [_verified(c2pa, file, context) for file in files]


def _certificates(file: Path) -> str:
    """Return the certificates of a PEM file, without any key in it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise CalseError(f"--trust {file}: {error.strerror}") from None
    except ValueError:
        raise CalseError(f"--trust {file}: holds no certificate; name a PEM file") from None
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)


def _verified(c2pa: Any, file: Path, context: Any) -> Verified:
    """Read one file; what a damaged one makes the library say becomes its fault."""
    if not file.is_file():
        return Verified(file, "is not there" if not file.exists() else "is no file")
    try:
        with c2pa.Reader(str(file), context=context) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Verified(file, "has no C2PA manifest: nothing vouches for where it comes from", _comment(file))
    except c2pa.C2paError.NotSupported:
        return Verified(file, "is of no format that carries C2PA manifests")
    except c2pa.C2paError as error:
        return Verified(file, f"its mark cannot be read, so the file was changed or damaged ({error})")
    manifest = store["manifests"][store["active_manifest"]]
    codes = [status["code"] for status in store.get("validation_status", [])]
    faults = [code for code in codes if code != UNTRUSTED]
    fault = f"was changed after it was signed, or its signature is not valid ({', '.join(faults)})" if faults else ""
    return Verified(file, fault, tuple(_lines(manifest, vouched=UNTRUSTED not in codes)))


def _lines(manifest: dict[str, Any], vouched: bool) -> list[str]:
    """Return what a manifest says, of whatever tool: what was done, made of what, with what, by whom."""
    assertions = {assertion["label"]: assertion["data"] for assertion in manifest["assertions"]}
    actions = [one for label in assertions if label.startswith("c2pa.actions") for one in assertions[label]["actions"]]
    lines = []
    for action in actions:
        kind = str(action.get("digitalSourceType", "")).rpartition("/")[2]
        lines.append(" ".join(filter(None, [action["action"], kind and f"({kind})", action.get("description")])))
    for one in manifest.get("ingredients", []):
        digest = str(one.get("instance_id", ""))
        known = f"sha256 {digest.removeprefix(HASH)}" if digest.startswith(HASH) else digest
        lines.append(f"{one.get('relationship')}: {one.get('title', 'unnamed')}, {known}")
    if ASSERTION in assertions:
        lines.append(f"made: {assertions[ASSERTION]['json']}")
    tools = [f"{tool['name']} {tool.get('version', '')}" for tool in manifest.get("claim_generator_info", [])]
    signature = manifest.get("signature_info", {})
    issuer = signature.get("issuer", "unknown")
    trust = "trusted here" if vouched else "nobody here vouches for it: anybody can have made it"
    return [*lines, f"tool: {', '.join(tools).strip()}; signed by: {issuer} ({signature.get('alg')}); {trust}"]


def _comment(file: Path) -> tuple[str, ...]:
    """Return what a video's container says of its origin, unsigned; nothing for what is no video."""
    import av

    try:
        with av.open(str(file)) as container:
            comment = container.metadata.get("comment", "")
    except (av.FFmpegError, UnicodeDecodeError):
        return ()
    return (f"its container says, unsigned: {comment}",) if comment else ()


def print_verified(found: list[Verified]) -> None:
    """Print what each file says. Raises CalseError when a mark is missing or does not hold."""
    console = Console(soft_wrap=True, highlight=False)
    for one in found:
        console.print(f"{one.file}: {one.fault or 'as it was signed'}", markup=False)
        for line in one.says:
            console.print(f"  {line}", markup=False)
    faulty = [one for one in found if one.fault]
    if faulty:
        names = ", ".join(str(one.file) for one in faulty[:3]) + (" ..." if len(faulty) > 3 else "")
        raise CalseError(f"{len(faulty)} of {len(found)} files have no mark that holds: {names}")
