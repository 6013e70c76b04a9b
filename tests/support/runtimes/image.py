"""A container image without a registry: one layer, made here, in the archive format that every runtime imports (OCI image layout)."""

import hashlib
import io
import json
import os
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _tar(entries):
    """entries: [(name, content, mode)]; a content of type str is the target of a symbolic link, None makes a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_busybox_image(path, reference, entrypoint):
    """An image named `reference` that holds Debian's static busybox under the names of its applets."""
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    entries = [(name, None, 0o755) for name in ("bin", "etc", "tmp", "proc", "sys", "dev")]
    entries.append(("bin/busybox", program, 0o755))
    entries += [(f"bin/{applet}", "busybox", 0o777) for applet in ("sh", "sleep", "httpd", "nc", "ip", "cat")]
    entries.append(("etc/index.html", b"towpath\n", 0o644))
    layer = _tar(entries)
    blobs = {}

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    platform = {"os": "linux", "architecture": ARCHITECTURES[os.uname().machine]}
    layer_entry = blob(layer, "layer.v1.tar")
    config = {**platform, "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
              "rootfs": {"type": "layers", "diff_ids": [layer_entry["digest"]]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": [layer_entry]}
    entry = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    index = {"schemaVersion": 2, "manifests": [{**entry, "platform": platform, "annotations": names}]}
    path.write_bytes(_tar([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644),
                           ("index.json", json.dumps(index).encode(), 0o644)] +
                          [(f"blobs/sha256/{digest}", data, 0o644) for digest, data in blobs.items()]))
