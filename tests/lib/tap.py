# SPDX-License-Identifier: GPL-2.0-or-later
"""tap.py - run unittest cases and print TAP version 13.

A test's description is the first line of its docstring, or its method's name
as words.  What it printed on standard error goes there; why it failed follows
its line as "# " diagnostics.  A test program ends with

    if __name__ == "__main__":
        tap.main()

and exits with 1 when a test failed or none was found.  Its arguments choose
tests, each by a part of the method's name or of the description.
"""

import re
import signal
import sys
import unittest


def main(module="__main__"):
    """Run every test of the module, end the process."""
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, interrupted)
    suite = unittest.TestSuite(filter(chosen, each(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module]))))
    print("TAP version 13")
    print(f"1..{suite.countTestCases()}", flush=True)
    result = Result()
    try:
        suite.run(result)
    except KeyboardInterrupt:
        say("Bail out! interrupted")
        sys.exit(130)
    if result.count == 0:
        diagnose("there was no test to run")
    sys.exit(0 if result.wasSuccessful() and result.count else 1)


def each(suite):
    """The tests of a suite of suites, in their order."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def chosen(test):
    return wanted(test.id().rpartition(".")[2], describe(test))


def wanted(*names):
    """Do the program's arguments choose a test that has one of these names?"""
    return not sys.argv[1:] or any(
        word in name for word in sys.argv[1:] for name in names)


def interrupted(number, frame):
    """A killed test cleans up as an interrupted one does."""
    # A second signal must not stop the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def rows(table):
    """Make each (sentence, argument...) of a table a test of its own.

    Decorates the method that is called with the arguments:

        @tap.rows([("the owner reads", JO, 0), ("others do not", SAM, 50)])
        def read(self, who, code):
    """
    def mark(method):
        method.rows = table
        return method
    return mark


def tables(cls):
    """Class decorator: gives the rows of its methods to unittest."""
    for name, method in list(vars(cls).items()):
        for number, (sentence, *arguments) in enumerate(
                getattr(method, "rows", ())):
            test = row_test(method, sentence, arguments)
            setattr(cls, f"test_{name}_{number:03}", test)
    return cls


def row_test(method, sentence, arguments):
    def test(self):
        method(self, *arguments)
    test.__doc__ = sentence
    return test


def todo(reasons, *classes):
    """Tests that are known to fail yet: {sentence: why}.

    A failure of theirs is told as "not ok ... # TODO why", which harnesses
    show and do not count; docs/security.md tells the reader of each.
    """
    for cls in classes:
        for name in unittest.defaultTestLoader.getTestCaseNames(cls):
            method = getattr(cls, name)
            reason = reasons.get(describe(cls(name)))
            if reason:
                method.todo = reason


def say(line):
    print(line, flush=True)


def diagnose(text):
    for line in text.rstrip("\n").split("\n"):
        say(f"# {line}")


def describe(test):
    """The sentence of a test; "#" would begin a TAP directive."""
    text = test.shortDescription()
    if not text and "(" in test.id():
        text = test.id()  # "setUpClass (__main__.Access)"
    elif not text:
        name = test.id().rpartition(".")[2]
        text = re.sub(r"^test_", "", name).replace("_", " ")
    return text.replace("#", "number ")


class Result(unittest.TestResult):
    """unittest's result, told as TAP while the tests run."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.known = None

    def line(self, word, test, tail=""):
        self.count += 1
        say(f"{word} {self.count} - {describe(test)}{tail}")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("ok", test)

    def addFailure(self, test, err):
        reason = getattr(getattr(test, test._testMethodName, None), "todo",
                         None)
        if reason:
            # its tearDown may fail as well
            if test is not self.known:
                self.line("not ok", test, f" # TODO {reason}")
            self.known = test
            return
        super().addFailure(test, err)
        self.not_ok(test, self.failures[-1][1])

    def addError(self, test, err):
        # setUpClass fails as a whole: its tests are missing from the plan,
        # which is a failure of its own to whoever reads TAP.
        super().addError(test, err)
        self.not_ok(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.not_ok(subtest, self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, f" # SKIP {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.line("not ok", test, " # TODO expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.not_ok(test, "was expected to fail and did not")

    def not_ok(self, test, why):
        self.line("not ok", test)
        diagnose(why)
