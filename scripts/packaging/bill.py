"""Says what a release is made of, from what cargo knows.

    bill.py FOLDER TARGET EPOCH

Writes into FOLDER: sbom.cdx.json, a software bill of materials (CycloneDX 1.5), and THIRD-PARTY-LICENSES.txt, the licences
of every crate that is linked into the binary or a connector for TARGET. Crates that only take part in the build are in
neither: build scripts, tests, macros. EPOCH, in seconds since 1970, is the only time in them, so that the same sources
give the same files."""

import json
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("license", "licence", "copying", "notice", "unlicense", "copyright")


def metadata(target):
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def linked(known):
    """The packages that are linked, by id, and what each of them uses."""
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}

    def is_root(package):
        folder = Path(package["manifest_path"]).parent.relative_to(ROOT)
        return folder == Path("host") or folder.parent == Path("plugins")

    def runs_at_build(package):
        return any("proc-macro" in target["kind"] for target in package["targets"])

    roots = [i for i in known["workspace_default_members"] if is_root(packages[i])]
    uses, todo = {}, list(roots)
    while todo:
        here = todo.pop()
        if here in uses:
            continue
        normal = [d["pkg"] for d in nodes[here]["deps"] if any(k["kind"] is None for k in d["dep_kinds"])]
        uses[here] = sorted(d for d in normal if not runs_at_build(packages[d]))
        todo += uses[here]
    return packages, roots, uses


def order(package):
    return package["name"], package["version"]


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licence(package):
    """The SPDX expression; older crates write a slash for OR."""
    expression = package["license"]
    if not expression and not package["license_file"]:
        sys.exit(f"error: {package['name']} {package['version']} names no licence")
    return expression and expression.replace(" / ", " OR ").replace("/", " OR ")


def component(package, checksums):
    out = {"type": "library", "bom-ref": reference(package), "name": package["name"], "version": package["version"]}
    if package["description"]:
        out["description"] = " ".join(package["description"].split())
    checksum = checksums.get(order(package))
    if checksum:
        out["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    expression = licence(package)
    out["licenses"] = [{"expression": expression}] if expression else [{"license": {"name": package["license_file"]}}]
    out["purl"] = reference(package)
    if package["repository"]:
        out["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return out


def bill(packages, roots, uses, epoch):
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    components = [component(packages[i], checksums) for i in sorted(uses, key=lambda i: order(packages[i]))]
    host = next(packages[i] for i in roots if packages[i]["name"] == "rivet")
    main = {"type": "application", "bom-ref": "rivet-release", "name": "rivet", "version": host["version"]}
    named = {reference(packages[i]): sorted(reference(packages[d]) for d in uses[i]) for i in uses}
    named["rivet-release"] = sorted(reference(packages[i]) for i in roots)
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([c["bom-ref"] for c in components]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": main,
        },
        "components": components,
        "dependencies": [{"ref": r, "dependsOn": d} for r, d in sorted(named.items())],
    }


def texts(package):
    """The files of licences in a crate, and in the sources of C that it brings along."""
    root = Path(package["manifest_path"]).parent
    out = []
    for folder in [root, *sorted(f for f in root.iterdir() if f.is_dir())]:
        files = [f for f in sorted(folder.iterdir()) if f.is_file() and f.suffix not in (".rs", ".h", ".c")]
        found = [f for f in files if f.name.lower().startswith(NAMES)]
        # Beside a licence of its own, COPYING is the other one of two to choose from, as in zstd.
        other = any(f.name.lower().startswith(("license", "licence")) for f in found)
        found = [f for f in found if not (other and f.name.lower().startswith("copying"))]
        out += [f.read_text(errors="replace").replace("\r\n", "\n").strip() for f in found]
    return out


def licences(packages, uses):
    """Each text once, below all the crates that come with it."""
    crates, silent = {}, []
    for i in sorted(uses, key=lambda i: order(packages[i])):
        package = packages[i]
        if package["source"] is None:
            continue
        line = f"{package['name']} {package['version']} ({licence(package) or package['license_file']})"
        found = texts(package)
        for text in found:
            crates.setdefault(text, []).append(line)
        if not found:
            silent.append(f"{line} {package['repository'] or ''}".strip())
    parts = ["Rivet contains the following crates, under these licences.\n"]
    rule = "-" * 80
    parts += [f"{rule}\n" + "\n".join(dict.fromkeys(who)) + f"\n{rule}\n\n{text}\n" for text, who in crates.items()]
    if silent:
        parts.append(f"{rule}\nThese come without a text; their licence is the one that they name:\n\n" + "\n".join(silent) + "\n")
    return "\n".join(parts)


def main():
    folder, target, epoch = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    packages, roots, uses = linked(metadata(target))
    written = json.dumps(bill(packages, roots, uses, epoch), indent=2, ensure_ascii=False)
    (folder / "sbom.cdx.json").write_text(written + "\n")
    (folder / "THIRD-PARTY-LICENSES.txt").write_text(licences(packages, uses))


main()
