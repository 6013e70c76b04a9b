#!/usr/bin/python3
"""docs/conformance.md lists the requirements that the tool has.

usage: page_test.py TOOL PAGE [--write]
"""
import pathlib
import subprocess
import sys

BEGIN = "<!-- requirements: towpath-cni-conformance --list -o markdown -->\n"
END = "<!-- end of requirements -->\n"

tool, page = sys.argv[1], pathlib.Path(sys.argv[2])
wanted = subprocess.run([tool, "--list", "-o", "markdown"], text=True, capture_output=True, check=True).stdout
text = page.read_text()
before, rest = text.split(BEGIN)
current, after = rest.split(END)
if "--write" in sys.argv:
    page.write_text(before + BEGIN + wanted + END + after)
elif current != wanted:
    sys.exit(f"{page} is not current; run: {sys.argv[0]} {tool} {page} --write")
