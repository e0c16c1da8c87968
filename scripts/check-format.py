#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares C files with what clang-format makes of them, leniently.

usage: check-format.py FILE...         prints file:line of what differs; exit code 1 if anything does
       check-format.py --fix FILE...   breaks the lines that are too long, no others

What people lay out better than a program is theirs: where lines are broken, how the columns of a table or
of trailing comments stand, how continuation lines are aligned. Told are: indentation and braces of
statements, spaces around operators and keywords, spaces for tabs, blanks at a line's end, lines over 100.
"""
import concurrent.futures
import difflib
import re
import subprocess
import sys
import textwrap

COLUMNS = 100


def width(line):
    return len(line.expandtabs(8))


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
        if width(line) > COLUMNS:
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


def starts_paragraph(text):
    """A list item, a picture, or a labelled line like "Context: ..."."""
    return text == "" or text[0] in " \t-*" or re.match(r"([A-Z][\w ]*|[a-z_]+):\s", text)


def wrapped(indent, words):
    """The lines of a comment's paragraph, each with its star."""
    lead = indent + " * "
    return [lead + row for row in textwrap.wrap(words, COLUMNS - width(lead), break_on_hyphens=False,
                                                break_long_words=False)]


def fix_block(block, indent):
    """A comment whose lines all begin with a star: paragraphs with a long line are wrapped anew."""
    done, at = [], 0
    while at < len(block):
        end = at + 1
        texts = [re.sub(r"^\s*\* ?", "", line) for line in block[at:]]
        while end < len(block) and texts[0] and not starts_paragraph(texts[end - at]):
            end += 1
        columns = any("   " in text.strip() for text in texts[:end - at])
        simple = not columns and not texts[0].startswith((" ", "\t", "-"))
        if simple and any(width(line) > COLUMNS for line in block[at:end]):
            done += wrapped(indent, " ".join(text.strip() for text in texts[:end - at]))
        else:
            done += block[at:end]
        at = end
    return done


def fix_comments(lines):
    """Comments over the limit: blocks are wrapped, one-liners become blocks, trailing ones move above."""
    done, at = [], 0
    while at < len(lines):
        line = lines[at]
        indent = re.match(r"\s*", line).group()
        code, mark, comment = line.partition("/*")
        alone = mark and comment.rstrip().endswith("*/")
        if line.strip() == "/*":
            end = next(n for n in range(at, len(lines)) if lines[n].rstrip().endswith("*/"))
            plain_block = lines[end].strip() == "*/"
            done += [line] + (fix_block(lines[at + 1:end], indent) if plain_block else lines[at + 1:end])
            done.append(lines[end])
            at = end + 1
            continue
        if line.strip().startswith("/* ") and "*/" not in line and width(line) > COLUMNS:
            # a block that begins in its first line: begin below it
            end = next(n for n in range(at, len(lines)) if lines[n].rstrip().endswith("*/"))
            block = [indent + " * " + line.strip()[3:], *lines[at + 1:end + 1]]
            block[-1] = block[-1].rstrip()[:-2].rstrip()
            done += [indent + "/*", *fix_block(block, indent), indent + " */"]
            at = end + 1
            continue
        if width(line) > COLUMNS and alone and not line.endswith("\\"):
            text = comment.rstrip()[:-2].strip()
            short = indent + "/* " + text + " */"
            done += [short] if width(short) <= COLUMNS else [indent + "/*", *wrapped(indent, text), indent + " */"]
            if code.strip():
                done.append(code.rstrip())
        else:
            done.append(line)
        at += 1
    return done


def fix(path):
    """Long lines only: everything else in the file is left as it was laid out."""
    with open(path, encoding="utf-8") as file:
        before = file.read().split("\n")
    lines = fix_comments(before)
    if lines != before:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
    long = [n for n, line in enumerate(lines, 1) if width(line) > COLUMNS]
    if not long:
        return
    with open(".clang-format", encoding="utf-8") as file:
        style = dict(re.findall(r"^(\w+): (.*)$", file.read(), re.M))
    style["ColumnLimit"] = str(COLUMNS)
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
