#!/usr/bin/python3
"""docs/cni-requirements.md names tests that exist, and leaves out nothing that it has to name.

Names stand between backticks in the last column of its tables: an id of the conformance tool (DEL-05), Suite.Name of a test in
C++, or Class.test_name of one in Python. An id counts only while the golden test expects our plugins to pass it.

usage: requirements_test.py TOOL SOURCE_DIR
"""
import json
import pathlib
import re
import subprocess
import sys

TRAPS = 15
# Of the tool's kinds, those that we have plugins of.
OURS = ("main", "ipam")


def gtest_names(folder):
    for path in folder.rglob("*.cc"):
        for suite, name in re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", path.read_text(), re.M):
            yield f"{suite}.{name}"


def python_names(folder):
    """Class.test_name, also of tests that a class inherits from another of the same file."""
    for path in folder.rglob("*.py"):
        methods, bases = {}, {}
        current = None
        for line in path.read_text().splitlines():
            if found := re.match(r"class (\w+)(?:\((.*)\))?:", line):
                current = found[1]
                methods[current] = []
                bases[current] = [base.strip() for base in (found[2] or "").split(",")]
            elif current and (found := re.match(r"    def (test_\w+)\(", line)):
                methods[current].append(found[1])
        for name in methods:
            pending, seen = [name], set()
            while pending:
                one = pending.pop()
                if one in seen or one not in methods:
                    continue
                seen.add(one)
                yield from (f"{name}.{method}" for method in methods[one])
                pending += bases[one]


def table_rows(text):
    """(line number, cells) of every row of every table, without heads."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and not re.fullmatch(r"[|:\- ]+", line):
            is_head = number + 1 < len(lines) and re.fullmatch(r"[|:\- ]+", lines[number + 1])
            if not is_head:
                yield number + 1, [cell.strip() for cell in line.strip().strip("|").split("|")]


def main():
    tool, source = sys.argv[1], pathlib.Path(sys.argv[2])
    sys.path.insert(0, str(source / "tests/conformance"))
    import golden_test
    page = source / "docs/cni-requirements.md"
    listed = json.loads(subprocess.run([tool, "--list", "-o", "json"], text=True, capture_output=True, check=True).stdout)
    beside_its_agent = golden_test.SUBJECTS["towpath-beside-its-agent"]
    not_met = set(golden_test.OURS) - (set(beside_its_agent[3][1].split(",")) - set(beside_its_agent[4]))
    wanted = {row["id"] for row in listed if any(kind in row["kinds"].split(", ") for kind in OURS)} - not_met
    known = wanted | set(gtest_names(source / "tests")) | set(python_names(source / "tests"))
    errors, named, traps = [], set(), set()
    for number, cells in table_rows(page.read_text()):
        names = re.findall(r"`([^`]+)`", cells[-1])
        if not names:
            errors.append(f"line {number}: no test is named")
        errors += [f"line {number}: there is no test '{name}'" for name in names if name not in known]
        named.update(names)
        if cells[0].isdigit():
            traps.add(int(cells[0]))
    errors += [f"{name} of the conformance tool is not on the page" for name in sorted(wanted - named)]
    errors += [f"trap {trap} is not on the page" for trap in range(1, TRAPS + 1) if trap not in traps]
    for error in errors:
        print(f"{page}: {error}")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
