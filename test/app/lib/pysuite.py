# SPDX-License-Identifier: BSD-3-Clause
"""One module of CPython's own test suite, a line a test: "ok|skip|FAIL|ERROR|hang|died NAME".

pysuite.py MODULE [-s SECONDS] [-x REGEX]...    runs it; each test may take SECONDS (20), names matching REGEX are left out

The tests run in a child; one that hangs or dies costs its child, and another goes on behind it.
"""
import argparse
import faulthandler
import importlib
import os
import re
import sys
import time
import unittest

CHILD_DIED, CHILD_HUNG = "died", "hang"


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


class Lines(unittest.TestResult):
    """Writes what became of each test to a descriptor; subtests that fail fail their test."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.said = None

    def startTest(self, test):
        super().startTest(test)
        self.said = "ok"

    def note(self, how, err=None):
        if self.said in (None, "ok"):
            self.said = how
        if err:
            sys.stderr.write(self._exc_info_to_string(err, self) if not isinstance(err, str) else err)

    def _exc_info_to_string(self, err, test):
        import traceback
        return "".join(traceback.format_exception(*err))

    def addError(self, test, err):
        self.note("ERROR", err)

    def addFailure(self, test, err):
        self.note("FAIL", err)

    def addSkip(self, test, reason):
        self.note("skip")

    def addExpectedFailure(self, test, err):
        pass

    def addUnexpectedSuccess(self, test):
        self.note("FAIL")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.note("FAIL", err)


def run_child(tests, first, seconds, out):
    """Runs tests[first:] as regrtest would: class and module fixtures through TestSuite."""
    class Guard(Lines):
        def startTest(self, test):
            sys.stderr.write("== %s\n" % test.id())
            sys.stderr.flush()
            os.write(out, b"> %s\n" % test.id().encode())
            faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
            super().startTest(test)

        def stopTest(self, test):
            faulthandler.cancel_dump_traceback_later()
            super().stopTest(test)
            os.write(out, b"%s %s\n" % (self.said.encode(), test.id().encode()))
            self.said = None

        def addSkip(self, test, reason):
            if self.said is None:  # a whole class
                os.write(out, b"skip %s\n" % test.id().encode())
            super().addSkip(test, reason)

        def addError(self, test, err):
            if self.said is None:
                os.write(out, b"ERROR %s\n" % test.id().encode())
            super().addError(test, err)

    result = Guard(out)
    unittest.TestSuite(tests[first:]).run(result)
    os.write(out, b"end\n")


def follow(tests, first, seconds):
    """A child from test `first` on; returns where the next one shall begin, or None."""
    rd, wr = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        os.close(rd)
        try:
            run_child(tests, first, seconds, wr)
            sys.stderr.flush()
        finally:
            os._exit(0)
    os.close(wr)
    running, over, begun = None, False, time.monotonic()
    with open(rd, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("> "):
                running, begun = line[2:].strip(), time.monotonic()
                continue
            if line.strip() == "end":
                over = True
                break
            running = None
            print(line, end="", flush=True)
    if over:
        for _ in range(50):
            if os.waitpid(pid, os.WNOHANG)[0]:
                return None
            time.sleep(0.1)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        print("hang end-of-suite", flush=True)
        return None
    os.waitpid(pid, 0)
    how = CHILD_HUNG if time.monotonic() - begun >= seconds else CHILD_DIED
    print(how, running or "between-tests", flush=True)
    ids = [test.id() for test in tests]
    return ids.index(running) + 1 if running in ids else None


def main():
    args = argparse.ArgumentParser()
    args.add_argument("module")
    args.add_argument("-s", dest="seconds", type=float, default=20)
    args.add_argument("-x", dest="leave", action="append", default=[])
    args.add_argument("-u", dest="use", action="append", default=[])
    args.add_argument("-m", dest="match", action="append", default=[])
    args = args.parse_args()
    from test import support
    support.use_resources = args.use
    support.verbose = 0
    module = importlib.import_module(args.module)
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(module)))
    tests = [t for t in tests if not any(re.search(x, t.id()) for x in args.leave)]
    if args.match:
        tests = [t for t in tests if any(re.search(x, t.id()) for x in args.match)]
    first = 0
    while first is not None and first < len(tests):
        first = follow(tests, first, args.seconds)


main()
