#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares C files with what clang-format makes of them, leniently.

usage: check-format.py FILE...         prints file:line of what differs; exit code 1 if anything does
       check-format.py --fix FILE...   lets clang-format break the lines that are too long, no others

What people lay out better than a program is theirs: where lines are broken, how the columns of a table or
of trailing comments stand, how continuation lines are aligned. Told are: indentation and braces of
statements, spaces around operators and keywords, spaces for tabs, blanks at a line's end, lines over 100.
"""
import concurrent.futures
import difflib
import re
import subprocess
import sys

COLUMNS = 100


def shape(line):
    """A line with its indentation as it is and every other run of blanks as one."""
    body = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    return indent + re.sub(r"\s+", " ", body)


def continues(before):
    """True if the line after `before` is the rest of an expression, table row or macro."""
    before = re.sub(r"/\*.*?\*/", "", before).rstrip()
    return before != "" and before[-1] not in ";{}:*/" and not before.lstrip().startswith("#")


def plain(lines, index):
    """Lines that answer to the formatter: no comment, no macro body, no continuation."""
    text = lines[index].strip()
    if text.startswith(("*", "/*", "#", "{", '"')) or lines[index].endswith("\\"):
        return False
    return index == 0 or not (continues(lines[index - 1]) or lines[index - 1].endswith("\\"))


def by_hand(lines):
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > COLUMNS:
            yield number, "longer than %d columns" % COLUMNS
        if line != line.rstrip():
            yield number, "blanks at the end"
        if line.startswith("        "):
            yield number, "spaces for a tab"


def differences(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    done = subprocess.run(["clang-format", path], capture_output=True, text=True, check=True)
    ours = [shape(line) for line in lines]
    theirs = [shape(line) for line in done.stdout.split("\n")]
    found = list(by_hand(lines))
    match = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, i1, i2, j1, j2 in match.get_opcodes():
        if tag != "replace" or i2 - i1 != j2 - j1:
            continue
        for i, j in zip(range(i1, i2), range(j1, j2)):
            same = re.sub(r"\s", "", ours[i]) == re.sub(r"\s", "", theirs[j])
            if same and ours[i] != theirs[j] and plain(lines, i):
                found.append((i + 1, "clang-format: " + theirs[j].strip()))
    return ["%s:%d: %s" % (path, number, text) for number, text in sorted(found)]


def fix(path):
    """Long lines only: everything else in the file is left as it was laid out."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    long = [n for n, line in enumerate(lines, 1) if len(line.expandtabs(8)) > COLUMNS]
    if not long:
        return
    with open(".clang-format", encoding="utf-8") as file:
        style = dict(re.findall(r"^(\w+): (.*)$", file.read(), re.M))
    style.update(ColumnLimit=str(COLUMNS), ReflowComments="true")
    text = "{" + ", ".join("%s: %s" % pair for pair in style.items()) + "}"
    ranges = ["--lines=%d:%d" % (number, number) for number in long]
    subprocess.run(["clang-format", "-i", "--style=" + text, *ranges, path], check=True)


def main(paths):
    if paths[:1] == ["--fix"]:
        for path in paths[1:]:
            fix(path)
        return 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = [line for lines in pool.map(differences, paths) for line in lines]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
