#!/usr/bin/env python3
"""Holds the include lines to the dependency table of docs/architecture.md.

Reads every .h and .cc below the source folders and checks three rules:
  1. a folder includes only the folders, and only the third-party libraries, that the table allows it;
  2. a header in include/towpath/<module>/ is included by another top-level folder, and a header that another
     top-level folder includes lives there;
  3. nothing includes agent/, plugins/ or cli/ from outside.

usage: layering.py SOURCE_DIR
"""

import pathlib
import re
import sys

# folder: (project folders it may include, third-party header prefixes it may include)
TABLE = {
    "base": ({"base"}, {"fmt/"}),
    "netlink": ({"base", "netlink"}, {"fmt/", "netlink/", "libmnl/", "libnftnl/"}),
    "ipam": ({"base", "ipam"}, {"fmt/", "lmdb.h", "nlohmann/"}),
    "bgp/wire": ({"base", "bgp/wire"}, {"fmt/"}),
    "bgp/fsm": ({"base", "bgp/wire", "bgp/fsm"}, {"fmt/"}),
    "bgp/policy": ({"base", "bgp/wire", "bgp/policy"}, {"fmt/"}),
    "bgp/rib": ({"base", "bgp/wire", "bgp/policy", "bgp/rib"}, {"fmt/"}),
    "bgp/session": ({"base", "bgp/wire", "bgp/policy", "bgp/fsm", "bgp/rib", "bgp/session"}, {"fmt/", "boost/"}),
    "bfd": ({"base", "bfd"}, {"fmt/", "openssl/"}),
    "policy": ({"base", "policy"}, {"fmt/"}),
    "store": ({"base", "store", "policy", "ipam"}, {"fmt/", "boost/", "openssl/", "nlohmann/", "yaml-cpp/"}),
    "agent": ({"base", "netlink", "ipam", "bgp", "bfd", "policy", "store", "agent", "control"},
              {"fmt/", "boost/", "yaml-cpp/", "spdlog/", "systemd/", "nlohmann/"}),
    "plugins": ({"base", "netlink", "ipam", "plugins", "control"}, {"fmt/", "nlohmann/"}),
    "cli": ({"base", "netlink", "ipam", "cli", "control"}, {"fmt/", "nlohmann/", "CLI/"}),
    "conformance": ({"base", "conformance"}, {"fmt/", "nlohmann/", "CLI/"}),
}
# The values that all BGP folders speak; unlike the rest of include/towpath/bgp they lie below bgp/wire.
BGP_VALUES = {"add_path.h", "community_pattern.h", "config.h", "drain.h", "family.h", "mrt.h", "path_attributes.h", "peer_as.h",
              "role.h", "route_policy.h"}
# Their headers hold the values that cross the control socket; both agent/ and cli/ speak it.
HEADER_ONLY_MODULES = {"control": {"base", "control"}}
THIRD_PARTY = ("fmt/", "netlink/", "libmnl/", "libnftnl/", "lmdb.h", "nlohmann/", "boost/", "openssl/", "yaml-cpp/",
               "spdlog/", "systemd/", "CLI/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def folder_of(path):
    """The table's row for a source path, or None for folders outside the table (tests)."""
    parts = path.parts
    if parts[0] == "include":
        parts = parts[2:]
    if parts[0] == "bgp":
        return "/".join(parts[:2]) if len(parts) > 2 else "bgp"
    return parts[0]


def included_folder(root, source, quote, name):
    """What project folder an include line reaches, or None if it is not the project's."""
    if name.startswith("towpath/"):
        parts = name.split("/")
        if parts[1] == "bgp":
            return "bgp/wire" if parts[2] in BGP_VALUES else "bgp"
        return parts[1]
    if quote == "<":
        return None
    if (source.parent / name).is_file():
        return folder_of(source.parent.relative_to(root) / name)
    if (root / name).is_file():
        return folder_of(pathlib.PurePath(name))
    return None


def check(root):
    errors = []
    public_users = {}
    sources = [p for top in {k.split("/")[0] for k in TABLE} | {"include"}
               for p in (root / top).rglob("*") if p.suffix in (".h", ".cc")]
    for source in sorted(sources):
        relative = source.relative_to(root)
        folder = folder_of(relative)
        if folder in HEADER_ONLY_MODULES:
            allowed, third = HEADER_ONLY_MODULES[folder], set()
        elif folder == "bgp":
            # include/towpath/bgp/ is the border of the whole module, and may show all of its values.
            allowed, third = {"base", "bgp", "bgp/wire", "bgp/fsm", "bgp/rib", "bgp/session"}, {"fmt/", "boost/"}
        elif folder in TABLE:
            allowed, third = TABLE[folder]
            if folder.startswith("bgp/"):
                allowed = allowed | {"bgp"} if folder == "bgp/session" else allowed
            if folder == "agent":
                allowed = allowed | {"bgp/wire", "bgp/rib", "bgp/session", "bgp/fsm"}
        else:
            errors.append(f"{relative}: folder '{folder}' is not in the dependency table")
            continue
        for number, line in enumerate(source.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, name = match.groups()
            target = included_folder(root, source, quote, name)
            if target is not None:
                if target not in allowed:
                    errors.append(f"{relative}:{number}: {folder} must not include {target} ({name})")
                if name.startswith("towpath/"):
                    public_users.setdefault(name, set()).add(relative.parts[0] if relative.parts[0] != "include"
                                                             else relative.parts[2])
                elif target.split("/")[0] != folder.split("/")[0]:
                    errors.append(f"{relative}:{number}: {name} crosses a top-level border, so it belongs in "
                                  f"include/towpath/{target.split('/')[0]}/")
            elif any(name == t or (t.endswith("/") and name.startswith(t)) for t in THIRD_PARTY):
                if not any(name == t or (t.endswith("/") and name.startswith(t)) for t in third):
                    errors.append(f"{relative}:{number}: {folder} must not use {name}")
    # The agent is the last user to arrive: before its main.cc a header may wait for whoever will include it.
    complete = (root / "agent" / "main.cc").is_file()
    for header in sorted((root / "include").rglob("*.h")) if complete else []:
        name = str(header.relative_to(root / "include"))
        module = name.split("/")[1]
        if module == "base":
            continue  # base has no private users but itself; all of it is public
        if not public_users.get(name, set()) - {module}:
            errors.append(f"include/{name}: no other top-level folder includes it; it belongs beside its source")
    return errors, len(sources)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    errors, count = check(root)
    for error in errors:
        print(error)
    print(f"layering: {count} files, {len(errors)} violations")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
